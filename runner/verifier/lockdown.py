"""A system-call filter that the worker puts on itself before it meets foreign code.

Owns the list of what is taken away: making processes (and threads), sockets, namespaces, mounts,
memory that outlives its mapping, setting the machine up, and reaching other processes. It holds
inside the sandbox and without one, and for root too, for whom the limit on the number of processes
(RLIMIT_NPROC) does not count. Irreversible.
Method: seccomp-bpf as in the Linux manual pages seccomp(2) and bpf(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_TSYNC = 1  # the threads that torch started already are bound as well
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_CLONE_THREAD = 0x00010000
# Offsets in struct seccomp_data: nr, arch, instruction pointer, then six 64-bit arguments.
_NR, _ARCH, _ARG0 = 0, 4, 16
_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# (x86_64, aarch64) numbers, from the kernel's own tables; None: the machine has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "io_uring_setup": (425, 425),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    # Memory that no limit on the address space sees: it stays when it is no longer mapped.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # Root's own, which a sandbox takes away by itself; without one, root still has them.
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "acct": (163, 89),
    "syslog": (103, 116),
    "quotactl": (179, 60),
    "iopl": (172, None),
    "ioperm": (173, None),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "delete_module": (176, 106),
    "kexec_file_load": (320, 294),
    "open_by_handle_at": (304, 265),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "fanotify_init": (300, 262),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}
_SECCOMP = (317, 277)
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_SIGNALS = ((62, 129), (234, 131))  # kill, tgkill: allowed to oneself
_PRLIMIT = (302, 261)  # allowed on oneself: what the C library's setrlimit calls
_PRCTL = (157, 167)
_PR_SET_PDEATHSIG = 1


class LockdownFailed(Exception):
    """The kernel or the machine takes no filter; foreign code must not run."""


def lock_down(*, threads: bool = True) -> None:
    """Install the filter for this process and all its threads to come. Raises LockdownFailed.

    `threads`: whether more of them may be made. A thread costs the host a process number, and no
    limit that binds root counts them: where none is needed, none is given.
    """
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        raise LockdownFailed(f"no system-call filter is known for {machine}")
    index = ("x86_64", "aarch64").index(machine)
    program = _program(index, _AUDIT_ARCH[machine], os.getpid(), threads=threads)
    code = ctypes.create_string_buffer(b"".join(program))
    # struct sock_fprog: unsigned short len, padding, pointer.
    header = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
    _check(_libc().prctl(ctypes.c_int(_PR_SET_NO_NEW_PRIVS), *map(ctypes.c_ulong, (1, 0, 0, 0))))
    _check(
        _libc().syscall(
            ctypes.c_long(_SECCOMP[index]),
            ctypes.c_long(_SECCOMP_SET_MODE_FILTER),
            ctypes.c_long(_SECCOMP_FILTER_FLAG_TSYNC),
            header,
        )
    )


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        reason = os.strerror(ctypes.get_errno()) if result < 0 else "a thread cannot be bound"
        raise LockdownFailed(f"the kernel refuses a system-call filter: {reason}")


def _program(machine: int, audit_arch: int, pid: int, *, threads: bool) -> list[bytes]:
    """The filter, as BPF instructions. Jumps are relative to the next instruction."""
    program = [
        _op(_LOAD, _ARCH),
        _op(_JEQ, audit_arch, true=1),
        _op(_RETURN, _KILL_PROCESS),  # the other ABI of this machine has other numbers
        _op(_LOAD, _NR),
    ]
    if machine == 0:
        # x32 calls carry bit 30 under the same architecture.
        program += [_op(_JGE, 0x40000000, false=1), _op(_RETURN, _KILL_PROCESS)]
    for numbers in _DENIED.values():
        number = numbers[machine]
        if number is not None:
            program += [_op(_JEQ, number, false=1), _DENY]
    # clone3 hides its flags in memory: say it does not exist, and libc falls back to clone.
    program += [_op(_JEQ, _CLONE3[machine], false=1), _op(_RETURN, _ERRNO | errno.ENOSYS)]
    if threads:
        program += _by_argument(_CLONE[machine], _op(_JSET, _CLONE_THREAD, false=1), _PERMIT, _DENY)
    else:
        program += [_op(_JEQ, _CLONE[machine], false=1), _DENY]
    for numbers in _SIGNALS:
        program += _by_argument(numbers[machine], _op(_JEQ, pid, false=1), _PERMIT, _DENY)
    own_limits = _op(_JEQ, pid, true=1), _op(_JEQ, 0, false=1)
    program += _by_argument(_PRLIMIT[machine], *own_limits, _PERMIT, _DENY)
    # As process 1 of its sandbox the worker itself holds the signal by which it dies with bwrap,
    # that is, with the judge: a worker that cleared it would live for ever.
    keep_mortal = _op(_JEQ, _PR_SET_PDEATHSIG, false=1)
    program += _by_argument(_PRCTL[machine], keep_mortal, _DENY, _PERMIT)
    program.append(_PERMIT)
    return program


def _by_argument(number: int, *decision: bytes) -> list[bytes]:
    """For the system call `number`, `decision` on its first argument; it must always return."""
    return [_op(_JEQ, number, false=1 + len(decision)), _op(_LOAD, _ARG0), *decision]


def _op(code: int, value: int, *, true: int = 0, false: int = 0) -> bytes:
    """struct sock_filter: code, jump if true, jump if false, constant."""
    return struct.pack("HBBI", code, true, false, value)


_PERMIT = _op(_RETURN, _ALLOW)
_DENY = _op(_RETURN, _ERRNO | errno.EPERM)
