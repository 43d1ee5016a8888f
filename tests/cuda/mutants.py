#!/usr/bin/env python3
"""mutants.py BUILD COMPILE LINK [FILE-PATTERN…]: changes one token of a kernel file at a time, builds it for the emulator, and runs its
cases, of which one must fail. One that passes all is equivalent if it compiles to the same code, or if mutants_equivalent.txt has the
reason why nothing differs. Others are printed, and the exit status is 1. BUILD: the emulated build, COMPILE and LINK: the commands
that build its tests (make mutants)."""
import collections, concurrent.futures, fnmatch, functools, glob, itertools, os, re, shlex, subprocess, sys, tempfile

OPS, CUDA = 'network/ops/', 'network/cuda/'
# Units of a changed header, and cases of what is not in the file of its op's name.
UNITS = {
    CUDA + 'gpu.h': ['silu', 'add'],
    CUDA + 'pointwise.h': ['silu', 'leaky_relu', 'add', 'concat'],
    CUDA + 'sums.h': ['layer_norm', 'instance_norm'],
    CUDA + 'pixel_blocks.h': ['space_to_depth', 'depth_to_space'],
    OPS + 'attention_gpu.h': ['attention_forward', 'attention_backward'],
    OPS + 'dice_loss_gpu.h': ['dice_ce_loss', 'dice_bce_loss'],
    OPS + 'scan_channel.h': ['scan_forward', 'scan_ends'],
    OPS + 'scan_gpu.h': ['scan_forward', 'scan_backward', 'scan_ends', 'selective_scan'],
}
CASES = {
    'silu': ['silu', 'silu wide', 'silu of*'],
    'leaky_relu': ['leaky_relu', 'relu'],
    'add': ['add*', 'stochastic_depth*'],
    'instance_norm': ['instance_norm*', 'group_norm*'],
    'convolution': ['conv2d*', 'conv_transpose2d*'],
    'sums': ['layer_norm*', 'instance_norm*', 'linear*', 'conv2d 3x3*', 'dice*'],
    'window_sums': ['the_sliding*', 'folds_are*'],
    'update_cuda': ['rules_are*'],
    'finite': ['values_that*'],
    **dict.fromkeys(['attention', 'attention_forward', 'attention_backward'], ['*attention*', 'sizes*']),
    **{op: [f'*{op}*', 'sizes*'] for op in ('causal_conv1d', 'class_counts', 'depthwise_conv2d', 'layer_norm')},
    **dict.fromkeys(['scan_forward', 'scan_backward', 'scan_ends'], ['selective_scan*', 'mamba_scan*']),
    'selective_scan': ['selective_scan*', 'mamba_scan*', 'sizes*'],
}
CHANGES = {'+': '-', '-': '+', '<': '<=', '<=': '<', '>': '>=', '>=': '>', '+=': '=', '==': '!=', '!=': '==', '&&': '||', '||': '&&'}
PATTERNS = [(r'(?<=\s)%s(?=\s|$)' % re.escape(old), new) for old, new in CHANGES.items()]
PATTERNS += [(r'\[(\w+)\]', r'[\1 + 1]'), (r'__sync(threads|warp)\(\);', ';')]
EITHER = r'(?<![\w.])(\S[^=;]*?) [<>] ([^?]+) \? \1 : \2\b'  # the smaller or the larger: also with <=, >=
DECLARATION = r'(?!.*\b(return|else|case)\b)[\w:<>, \[\]+*-]+[ *&]\w+\[[^]]*$'  # up to an array's size
TESTS = ['tests/test_ops', 'tests/cuda/test_gpu']
WATCHED = ['-g0', '-O1']  # compiles faster
KNOWN = 'tests/cuda/mutants_equivalent.txt'


def mutants(text):
    """(line number, changed line, changed text) of all mutants; not in comments, preprocessor lines, sizes of arrays, minima and maxima."""
    lines = text.split('\n')
    code = re.sub(r'/\*.*?\*/', lambda m: re.sub(r'[^\n]', ' ', m.group()), text, flags=re.S)
    for number, line in enumerate(code.split('\n')):
        for pattern, replacement in PATTERNS if not line.lstrip().startswith('#') else []:
            for m in re.finditer(pattern, line):
                if replacement in ('<=', '>=') and any(e.start() < m.start() < e.end() for e in re.finditer(EITHER, line)):
                    continue
                if re.match(DECLARATION, line[:m.start() + 1].strip()):
                    continue
                changed = lines[number][:m.start()] + m.expand(replacement) + lines[number][m.end():]
                yield number + 1, changed.strip(), '\n'.join(lines[:number] + [changed] + lines[number + 1:])


class Build:
    def __init__(self, folder, compile_, link):
        self.folder, self.compiler, self.linker = folder, shlex.split(compile_), shlex.split(link)
        header = folder + '/mutants/cuda_runtime.h'  # precompiled: half of the time
        os.makedirs(os.path.dirname(header), exist_ok=True)
        open(header, 'w').write('#include "tests/cuda/include/cuda_runtime.h"\n')
        subprocess.run([*self.compiler, *WATCHED, '-x', 'c++-header', '-c', header, '-o', header + '.gch'], check=True)
        self.header = header

    def compile(self, scratch, file, units, text, *flags):
        """The object of each unit, or None."""
        place = os.path.join(scratch, file)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        open(place, 'w').write(text)
        objects = {}
        for i, unit in enumerate(units):
            objects[unit] = made = f'{scratch}/{i}.o'
            words = list(self.compiler)
            words.insert(words.index('-I.'), '-I' + scratch)  # the changed header comes first
            words += [*flags, '-x', 'c++', '-c', place if unit == file else unit, '-o', made]
            if subprocess.run(words, capture_output=True).returncode:
                return None
        return objects

    def watched(self, scratch, *mutant):
        return self.compile(scratch, *mutant, *WATCHED, '-w', '-include', self.header)

    def is_warned_of(self, *mutant):
        """The compiler sees an index beyond an array, where the emulated build has not: of a row of a thread's array."""
        flags = ['-O3', '-fno-sanitize=all', '-Warray-bounds=2', '-Werror=array-bounds', '-Werror=aggressive-loop-optimizations']
        with tempfile.TemporaryDirectory() as scratch:
            return self.compile(scratch, *mutant, *flags) is None

    def code(self, *mutant):
        """Without the watch, which notes columns; no names of scratch files."""
        with tempfile.TemporaryDirectory() as scratch:
            objects = self.compile(scratch, *mutant, '-w', '-g0', '-fno-sanitize=all', f'-ffile-prefix-map={scratch}/=')
            return [open(made, 'rb').read() for made in objects.values()]

    def link(self, scratch, test, objects):
        program = f'{scratch}/{os.path.basename(test)}'
        originals = {f'{self.folder}/obj/{unit}.o': made for unit, made in objects.items()}
        words = [originals.get(w, program if w == 'TEST' else w.replace('TEST', test)) for w in self.linker]
        subprocess.run(words, check=True, capture_output=True)
        return program


def run(program, cases, limit=None):
    """What it prints, or None if a case fails."""
    environment = dict(os.environ, SWIN_UMAMBA_TEST_DEVICE='cuda', CMOCKA_MESSAGE_OUTPUT='XML')
    try:
        found = subprocess.run([program, cases], capture_output=True, text=True, errors='replace', timeout=limit, env=environment)
    except subprocess.TimeoutExpired:
        return None
    return found.stdout if found.returncode == 0 else None


@functools.cache
def seconds(program, pattern):
    """Of each case."""
    found = run(program, pattern)
    assert found is not None, f'{program} {pattern} fails without a change'
    return {case: float(time) for case, time in re.findall(r'<testcase name="(.*?)" time="(.*?)"', found)}


class Kernel:
    def __init__(self, build, file):
        self.build, self.file, self.text = build, file, open(file).read()
        self.units = [OPS + name + '.cu' for name in UNITS[file]] if file in UNITS else [file]
        names = [os.path.basename(unit)[:-3] for unit in self.units]
        patterns = {pattern for name in names for pattern in CASES.get(name, [name + '*'])}
        self.cost = {}  # of each case: its seconds, less for each mutant that it catches
        for test, pattern in itertools.product(TESTS, patterns):
            found = seconds(f'{build.folder}/tests/' + os.path.basename(test), pattern)
            self.cost.update(((test, case), time) for case, time in found.items())
        assert self.cost, file + ' has no cases'
        self.limits = {case: 10 + 10 * time for case, time in self.cost.items()}
        self.code = build.code(file, self.units, self.text)

    def survives(self, scratch, objects):
        programs = {}
        for test, case in sorted(self.cost, key=self.cost.get):
            programs[test] = programs.get(test) or self.build.link(scratch, test, objects)
            if run(programs[test], case, self.limits[test, case]) is None:
                self.cost[test, case] *= 0.8
                return False
        return True

    def judge(self, mutant):
        with tempfile.TemporaryDirectory() as scratch:
            objects = self.build.watched(scratch, self.file, self.units, mutant[2])
            if objects is None:
                return 'invalid'
            if not self.survives(scratch, objects):
                return 'caught'
        changed = self.file, self.units, mutant[2]
        if self.build.code(*changed) == self.code:
            return 'the same code'
        return 'caught' if self.build.is_warned_of(*changed) else 'survived'


def known_equivalent():
    """How often each (file, changed line) is in the list: lines of a file, a mutant (2 spaces), why (4 spaces)."""
    known, file = collections.Counter(), None
    for line in open(KNOWN).read().split('\n'):
        if line and line[0] not in ' #':
            file = line
        elif line.startswith('  ') and line[2] != ' ':
            known[file, line.strip()] += 1
    return known


def main():
    build, patterns, known, unproven = Build(*sys.argv[1:4]), sys.argv[4:] or ['*'], known_equivalent(), 0
    files = [*UNITS, *sorted(f for folder in (OPS, CUDA, 'network/optimizer/', 'inference/') for f in glob.glob(folder + '*.cu'))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file in files:
            if not any(fnmatch.fnmatch(file, p) for p in patterns):
                continue
            kernel, every = Kernel(build, file), list(mutants(open(file).read()))
            counts = collections.Counter()
            for (number, line, _), found in zip(every, pool.map(kernel.judge, every)):
                if found == 'survived':
                    proven = known[file, line] > 0
                    known[file, line] -= proven
                    found = 'proven' if proven else found
                counts[found] += 1
                if found == 'survived':
                    print(f'  survived: {file}:{number}: {line}', flush=True)
            print(f'{file}: {len(every)}:', ', '.join(f'{n} {what}' for what, n in sorted(counts.items())), flush=True)
            for (where, line), left in known.items():
                if where == file and left:
                    print(f'  {KNOWN}: there is no such survivor: {file}: {line}')
            unproven += counts['survived']
    print(f'{unproven} survivors without proof')
    return unproven > 0


if __name__ == '__main__':
    sys.exit(main())
