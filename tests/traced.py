"""Runs a function in a child of which one call to the system is the last, or fails, or does half.

The child is traced, so that no call is overlooked: neither one that Python makes by itself nor one
of a library. Linux alone has this `ptrace`; what changes a call knows the registers of x86-64.
"""

import ctypes
import io
import os
import platform
import signal
import sys

TRACEME, GETREGS, SETREGS, SYSCALL, SETOPTIONS = 0, 12, 13, 24, 0x4200
TRACESYSGOOD, EXITKILL = 1, 0x100000
AT_A_CALL = signal.SIGTRAP | 0x80
DONE, REFUSED, KILLED = "done", "refused", "killed"

# What reads and writes files, by its number on x86-64. Of memory, locks and signals none fails.
WRITE = 1
FILE_CALLS = {
    *{"read": 0, "write": WRITE, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6}.values(),
    *{"lseek": 8, "access": 21, "fsync": 74, "ftruncate": 77, "getdents": 78}.values(),
    *{"rename": 82, "link": 86, "unlink": 87, "readlink": 89, "chmod": 90}.values(),
    *{"fchmod": 91, "chown": 92, "fchown": 93, "getdents64": 217, "openat": 257}.values(),
    *{"newfstatat": 262, "unlinkat": 263, "renameat": 264, "linkat": 265}.values(),
    *{"readlinkat": 267, "faccessat": 269, "fallocate": 285, "renameat2": 316}.values(),
    *{"statx": 332, "faccessat2": 439}.values(),
}
RAX, RDX, ORIG_RAX, N_REGISTERS = 10, 12, 15, 27


def _ptrace(request, process, address=None, data=None):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, process, address, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def why_not(registers=False):
    """Why nothing can be traced here; None where it can."""
    if sys.platform != "linux":
        return "ptrace is Linux's"
    if registers and platform.machine() != "x86_64":
        return "knows the registers of x86-64"
    try:
        _Child(int).end()
    except (OSError, AssertionError) as error:
        return f"processes may not be traced here: {error}"
    return None


class _Child:
    """A forked process that waits before it calls the function."""

    def __init__(self, work):
        self.process = os.fork()
        if self.process == 0:
            self._be_traced(work)
        _, status = os.waitpid(self.process, 0)
        assert os.WIFSTOPPED(status), "the child is not traced"
        _ptrace(SETOPTIONS, self.process, None, TRACESYSGOOD | EXITKILL)

    @staticmethod
    def _be_traced(work):
        code = 3
        try:
            sys.stdout = sys.stderr = io.StringIO()
            _ptrace(TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            code = 1
            work()
            code = 0
        finally:
            os._exit(code)

    def next_stop(self):
        """Run to the next begin or end of a call: whether there is one, or else how it ended."""
        passed_on = 0
        while True:
            _ptrace(SYSCALL, self.process, None, passed_on)
            _, status = os.waitpid(self.process, 0)
            if not os.WIFSTOPPED(status):
                return self._outcome(status)
            if os.WSTOPSIG(status) == AT_A_CALL:
                return None
            passed_on = os.WSTOPSIG(status)

    @staticmethod
    def _outcome(status):
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, 1), f"the child ended with {code}"
        return REFUSED if code else DONE

    def registers(self):
        found = (ctypes.c_ulonglong * N_REGISTERS)()
        _ptrace(GETREGS, self.process, None, ctypes.addressof(found))
        return found

    def set_registers(self, registers):
        _ptrace(SETREGS, self.process, None, ctypes.addressof(registers))

    def end(self):
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


def killed_at(work, n):
    """Kill the child where its call number `n`, from 0, begins: KILLED, or how it ended before."""
    child = _Child(work)
    for _ in range(2 * n + 1):  # each stops where it begins and where it ends
        outcome = child.next_stop()
        if outcome is not None:
            return outcome
    child.end()
    return KILLED


def failing_at(work, n, number):
    """Let the child's file call number `n` fail with this errno: (how it ended, whether it did)."""

    def fail(child, registers):
        registers[ORIG_RAX] = 2**64 - 1  # none that there is: it does nothing
        child.set_registers(registers)
        assert child.next_stop() is None
        registers[ORIG_RAX], registers[RAX] = 2**64 - 1, 2**64 - number
        child.set_registers(registers)

    return _changed_at(work, n, FILE_CALLS, fail)


def writing_one_byte_at(work, n):
    """Let the child's write number `n` take one byte: (how it ended, whether there was one)."""

    def shorten(child, registers):
        registers[RDX] = min(1, registers[RDX])
        child.set_registers(registers)
        assert child.next_stop() is None

    return _changed_at(work, n, {WRITE}, shorten)


def _changed_at(work, n, numbers, change):
    child, met = _Child(work), 0
    while True:
        outcome = child.next_stop()
        if outcome is not None:
            return outcome, met > n
        registers = child.registers()
        is_met = registers[ORIG_RAX] in numbers
        if is_met and met == n:
            change(child, registers)
        else:
            outcome = child.next_stop()
            if outcome is not None:  # it was the call that ends the process
                return outcome, met > n
        met += is_met
