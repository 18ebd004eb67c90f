"""A system-call filter that the worker puts on itself before it meets foreign code.

Owns the list of what is taken away: making processes, sockets, namespaces, mounts, and reaching
other processes. It holds inside the sandbox and without one, and for root too, for whom the limit
on the number of processes (RLIMIT_NPROC) does not count. Irreversible.
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
    "memfd_create": (319, 279),
}
_SECCOMP = (317, 277)
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_SIGNALS = ((62, 129), (234, 131))  # kill, tgkill: allowed to oneself


class LockdownFailed(Exception):
    """The kernel or the machine takes no filter; foreign code must not run."""


def lock_down() -> None:
    """Install the filter for this process and all its threads to come. Raises LockdownFailed."""
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        raise LockdownFailed(f"no system-call filter is known for {machine}")
    index = ("x86_64", "aarch64").index(machine)
    program = _program(index, _AUDIT_ARCH[machine], os.getpid())
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


def _program(machine: int, audit_arch: int, pid: int) -> list[bytes]:
    """The filter, as BPF instructions. Jumps are relative to the next instruction."""
    deny = _op(_RETURN, _ERRNO | errno.EPERM)
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
            program += [_op(_JEQ, number, false=1), deny]
    # clone3 hides its flags in memory: say it does not exist, and libc falls back to clone.
    program += [_op(_JEQ, _CLONE3[machine], false=1), _op(_RETURN, _ERRNO | errno.ENOSYS)]
    # A thread may be made, a process not.
    program += [
        _op(_JEQ, _CLONE[machine], false=4),
        _op(_LOAD, _ARG0),
        _op(_JSET, _CLONE_THREAD, true=1),
        deny,
        _op(_RETURN, _ALLOW),
    ]
    for numbers in _SIGNALS:
        program += [
            _op(_JEQ, numbers[machine], false=4),
            _op(_LOAD, _ARG0),
            _op(_JEQ, pid, true=1),
            deny,
            _op(_RETURN, _ALLOW),
        ]
    program.append(_op(_RETURN, _ALLOW))
    return program


def _op(code: int, value: int, *, true: int = 0, false: int = 0) -> bytes:
    """struct sock_filter: code, jump if true, jump if false, constant."""
    return struct.pack("HBBI", code, true, false, value)
