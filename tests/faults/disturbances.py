"""Ways to disturb a run. A disturbance runs a command and returns a Run."""
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


class Run:
    """status; text: standard error; reason: what the message must say, None if anything; reached: whether there was a disturbance."""

    def __init__(self, status, text, reason=None, reached=True, call=''):
        self.status, self.text, self.reason, self.reached, self.call = status, text, reason, reached, call


def run(command, limits=None, **more):
    """Runs a command to its end. Status None: it does not end."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LONGEST, preexec_fn=limits,
                              env=environment(**more), text=True, errors='replace')
    except subprocess.TimeoutExpired:
        return Run(None, '')
    return Run(done.returncode, done.stderr)


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
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        try:
            status = process.wait(self.seconds)
            return Run(status, '', reached=False)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return Run(-signal.SIGKILL, '')


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
