"""Ways to disturb a run. A disturbance runs a Command and returns a Run."""
import collections
import os
import random
import resource
import signal
import subprocess
import threading
import time

from programs import environment

LONGEST = 120  # seconds: a run that takes longer hangs

# What the message of a failed call must say, by the call; else the last.
REASONS = {'mem_alloc': 'memory', 'sys_map': 'memory', 'sys_memory_file': 'memory', 'sys_write': 'No space left', 'sys_make_folder': 'No space left',
           'sys_duplicate': 'Too many open files', 'sys_pipe': 'Too many open files', 'sys_open_folder': 'Too many open files',
           'sys_lock': 'No locks available', 'sys_thread': 'temporarily unavailable', None: 'Input/output error'}

# words: the program and its arguments; client: what talks with the process (clients.py), or None.
Command = collections.namedtuple('Command', 'words client')


class Run:
    """status; text: standard error; reason: what the message must say, None if anything; reached: whether there was a disturbance;
    wrong: what a client has seen that must not be, or None."""

    def __init__(self, status, text, wrong=None):
        self.status, self.text, self.wrong = status, text, wrong
        self.reason, self.reached, self.call = None, True, ''


def run(command, limits=None, longest=LONGEST, **more):
    """Runs a command to its end. Status None: it does not end, and was killed after `longest` seconds."""
    process = subprocess.Popen(command.words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               preexec_fn=limits, env=environment(**more))
    late = threading.Event()
    killer = threading.Timer(longest, lambda: (late.set(), process.kill()))
    killer.start()
    wrong = command.client(process) if command.client else None
    text = process.communicate()[1].decode(errors='replace')
    killer.cancel()
    return Run(None if late.is_set() else process.returncode, text, wrong)


class Call:
    """The k-th of our own calls fails (base/faults.h)."""
    may_leave = ('sys_unlink', 'sys_open', 'sys_lock')  # temporaries, if these calls fail

    def __init__(self, k):
        self.k = k
        self.name = f'call {k}'

    def __call__(self, command, scratch, out):
        record = f'{scratch}/record'
        done = run(command, SWIN_UMAMBA_FAULT=str(self.k), SWIN_UMAMBA_FAULT_RECORD=record)
        done.calls, done.call = read_record(record)
        done.reached = done.call != 'none'
        done.reason = REASONS.get(done.call, REASONS[None])
        return done


def read_record(path):
    """The number of calls, and the name of the one that failed."""
    try:
        with open(path) as file:
            calls, call = file.read().split()
        return int(calls), call
    except (OSError, ValueError):  # it ended without its destructors
        return 0, 'unknown'


def places_of_calls(command, scratch):
    """For each call of an undisturbed run the place that it is made at."""
    record = f'{scratch}/record'
    run(command, SWIN_UMAMBA_FAULT='list', SWIN_UMAMBA_FAULT_RECORD=record)
    with open(record) as file:
        return file.read().split('\n')[:-2]


def places_of_allocations(command, scratch, shim):
    """The same for the allocations of the whole process."""
    record = f'{scratch}/record'
    run(command, LD_PRELOAD=shim, FAIL_MIN='1', FAIL_COUNT=record, FAIL_LIST='1')
    with open(record) as file:
        return file.read().split('\n')[:-2]


class Short:
    """Every read and write is short, and every second one interrupted. Nothing may come of it."""
    name = 'short reads and writes'

    def __call__(self, command, scratch, out):
        done = run(command, SWIN_UMAMBA_FAULT='short')
        if done.status:
            done.status = 99
        return done


class LibraryAllocation:
    """The k-th allocation of the process fails, also in libraries (tests/faults/allocation_shim.c). Only without sanitizers."""
    may_close = True  # libmicrohttpd closes a connection that it has no memory for

    def __init__(self, k, shim):
        self.k, self.shim = k, shim
        self.name = f'allocation {k}'

    def __call__(self, command, scratch, out):
        record = f'{scratch}/record'
        done = run(command, LD_PRELOAD=self.shim, FAIL_MIN='1', FAIL_AT=str(self.k), FAIL_COUNT=record)
        if os.path.exists(record):
            with open(record) as file:
                count = file.read()  # nothing, if it ended without its destructors
            done.reached = not count or int(count) > self.k
            os.remove(record)
        done.reason = 'emory'  # also in the message of a crash
        return done


class FileSize:
    """No file may be longer (RLIMIT_FSIZE)."""

    def __init__(self, size):
        self.size = size
        self.name = f'files of at most {size} bytes'

    def __call__(self, command, scratch, out):
        done = run(command, limits=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size)))
        done.reason = 'File too large'
        return done


class Kill:
    """SIGKILL after a time."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.name = f'killed after {seconds:.3f} s'

    def __call__(self, command, scratch, out):
        done = run(command, longest=self.seconds)
        done.reached = done.status is None
        if done.reached:
            done.status, done.wrong = -signal.SIGKILL, None
        return done


def mount(out):
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1G', 'tmpfs', out], check=True)


def remount(out, option):
    return subprocess.run(['mount', '-o', f'remount,{option}', out], capture_output=True).returncode == 0


class FullDisk:
    """The folder is a file system with so much space left. For the rerun it has more."""
    mounts = True

    def __init__(self, space):
        self.space = space
        self.name = f'{space} bytes left on the disk'

    def __call__(self, command, scratch, out):
        disk = os.statvfs(out)
        if not remount(out, f'size={(disk.f_blocks - disk.f_bfree) * disk.f_frsize + self.space}'):
            raise SystemExit(f'{out}: cannot be made a disk with {self.space} bytes left')
        done = run(command)
        done.reason = 'No space left'
        remount(out, 'size=1G')
        return done


class ReadOnly:
    """The folder's file system turns read-only after a time."""
    mounts = True

    def __init__(self, seconds):
        self.seconds = seconds
        self.turned = False
        self.name = f'read-only after {seconds:.3f} s'

    def turn(self, out, ended):
        """A file system with an open file for writing cannot be turned: tried until none is."""
        if ended.wait(self.seconds):
            return
        while not ended.is_set() and not self.turned:
            self.turned = remount(out, 'ro')
            time.sleep(0.001 * random.random())

    def __call__(self, command, scratch, out):
        ended = threading.Event()
        turning = threading.Thread(target=self.turn, args=(out, ended))
        turning.start()
        done = run(command)
        ended.set()
        turning.join()
        remount(out, 'rw')
        done.reached = self.turned
        done.reason = 'Read-only file system'
        return done
