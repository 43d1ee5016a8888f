#!/usr/bin/env python3
"""mutants.py BUILD COMPILE LINK SAMPLE [FILE-PATTERN]: changes one token of a hot kernel, builds it for the emulator, and runs its tests,
which must fail. SAMPLE: mutants of each file, drawn by its name, always the same. Prints what survives. BUILD: the emulated build,
COMPILE and LINK: the commands that build its tests (make mutants)."""
import concurrent.futures, fnmatch, os, random, re, shlex, subprocess, sys, tempfile

# File to change, kernel file to compile, test program, its filter.
OPS = 'network/ops/'
KERNELS = [
    (OPS + 'scan_forward.cu', OPS + 'scan_forward.cu', 'test_ops', 'selective_scan row'),
    (OPS + 'scan_ends.cu', OPS + 'scan_ends.cu', 'test_ops', '*scan pieces'),
    (OPS + 'scan_backward.cu', OPS + 'scan_backward.cu', 'test_ops', 'selective_scan row'),
    (OPS + 'layer_norm.cu', OPS + 'layer_norm.cu', 'test_ops', '*layer_norm*'),
    (OPS + 'instance_norm.cu', OPS + 'instance_norm.cu', 'test_ops', 'instance_norm*'),
    (OPS + 'depthwise_conv2d.cu', OPS + 'depthwise_conv2d.cu', 'test_ops', 'depthwise*'),
    (OPS + 'attention_forward.cu', OPS + 'attention_forward.cu', 'test_ops', '*attention*'),
    (OPS + 'attention_backward.cu', OPS + 'attention_backward.cu', 'test_ops', '*attention*'),
    (OPS + 'dice_loss_gpu.h', OPS + 'dice_ce_loss.cu', 'test_ops', 'dice_ce*'),
    (OPS + 'dice_ce_loss.cu', OPS + 'dice_ce_loss.cu', 'test_ops', 'dice_ce*'),
    (OPS + 'dice_bce_loss.cu', OPS + 'dice_bce_loss.cu', 'test_ops', 'dice_bce*'),
    ('inference/window_sums.cu', 'inference/window_sums.cu', 'test_gpu', '*'),
]
CHANGES = [(r' \+ ', ' - '), (r' - ', ' + '), (r' < ', ' <= '), (r' <= ', ' < '), (r' > ', ' >= '), (r' \+= ', ' = '),
           (r' == ', ' != '), (r' && ', ' || '), (r'\[(\w+)\]', r'[\1 + 1]'), (r'__syncthreads\(\);', ';'), (r'__syncwarp\(\);', ';')]
LIMIT = 60  # seconds of a test; one that hangs is caught


def mutants(text):
    """(line number, changed line, changed text) of all mutants; not in comments and preprocessor lines."""
    lines, comment = text.split('\n'), False
    for number, line in enumerate(lines):
        code = re.sub(r'/\*.*?\*/', lambda m: ' ' * len(m.group()), line)
        start = comment
        if '/*' in code:
            code, comment = code[:code.index('/*')], True
        elif comment and '*/' in line:
            comment = False
        if start or code.lstrip().startswith('#'):
            continue
        for pattern, replacement in CHANGES:
            for m in re.finditer(pattern, code):
                changed = line[:m.start()] + m.expand(replacement) + line[m.end():]
                yield number + 1, changed.strip(), '\n'.join(lines[:number] + [changed] + lines[number + 1:])


def judge(build, compile_, link, kernel, text):
    """'caught', 'survived', or 'invalid' if it does not compile."""
    file, unit, test, cases = kernel
    with tempfile.TemporaryDirectory() as scratch:
        place = os.path.join(scratch, file)
        os.makedirs(os.path.dirname(place))
        open(place, 'w').write(text)
        source = place if file == unit else unit
        if file != unit:  # the unit must find the changed header before its own folder's
            source = os.path.join(scratch, unit)
            open(source, 'w').write(open(unit).read())
        made, program = scratch + '/kernel.o', scratch + '/test'
        words = shlex.split(compile_)
        words.insert(words.index('-I.'), '-I' + scratch)  # the changed header comes first
        command = [*words, '-w', '-x', 'c++', '-c', source, '-o', made]
        if subprocess.run(command, capture_output=True).returncode:
            return 'invalid'
        original, main = f'{build}/obj/{unit}.o', 'TEST.o'
        words = [made if w == original else w.replace(main, test + '.o') for w in shlex.split(link)]
        if test != 'test_ops':
            words = [w.replace('obj/tests/' + test, 'obj/tests/cuda/' + test) for w in words]
        i = words.index('-o')
        words[i + 1] = program
        subprocess.run(words, check=True, capture_output=True)
        environment = dict(os.environ, SWIN_UMAMBA_TEST_DEVICE='cuda')
        try:
            run = subprocess.run([program, cases], capture_output=True, timeout=LIMIT, env=environment)
        except subprocess.TimeoutExpired:
            return 'caught'
        return 'caught' if run.returncode else 'survived'


def main():
    build, compile_, link, sample, *patterns = sys.argv[1:]
    for kernel in KERNELS:
        if patterns and not any(fnmatch.fnmatch(kernel[0], p) for p in patterns):
            continue
        original = open(kernel[0]).read()
        assert judge(build, compile_, link, kernel, original) == 'survived', kernel[0] + ': the tests fail without a change'
        every = list(mutants(original))
        chosen = random.Random(kernel[0]).sample(every, min(int(sample), len(every)))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(lambda m: judge(build, compile_, link, kernel, m[2]), chosen))
        counts = {what: found.count(what) for what in ('caught', 'survived', 'invalid')}
        print(f'{kernel[0]}: {len(chosen)} of {len(every)}:', *(f'{n} {what}' for what, n in counts.items()), flush=True)
        for what, (number, line, _) in zip(found, chosen):
            if what == 'survived':
                print(f'  survived: {kernel[0]}:{number}: {line}', flush=True)


main()
