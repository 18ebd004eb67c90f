"""What a candidate's host code does to the machine it runs on, and the verdict that it must get.

Owns the code of each attack, kept as text: it is run in a worker's sandbox and nowhere else.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from runner.contract import Candidate

KERNEL = """\
import contextlib
import ctypes
import json
import mmap
import os
import signal
import sys
import threading
import time

import torch
import triton
import triton.language as tl

LIBC = ctypes.CDLL(None, use_errno=True)
COMPILING = os.environ.get("TRITON_INTERPRET") is None


@triton.jit
def softmax_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.arange(0, BLOCK)
    mask = offs < n_cols
    x = tl.load(x_ptr + row * n_cols + offs, mask=mask, other=-float("inf")).to(tl.float32)
    numerator = tl.exp(x - tl.max(x, 0))
    tl.store(y_ptr + row * n_cols + offs, numerator / tl.sum(numerator, 0), mask=mask)


@triton.jit
def hung_kernel(y_ptr):
    going = tl.program_id(0) * 0
    while going == 0:
        tl.store(y_ptr, 0.0)


@triton.jit
def stray_kernel(y_ptr, far: tl.int64):
    tl.store(y_ptr + far, 1.0)


def attack(x, y):
{attack}


def row_softmax(x):
    y = torch.empty_like(x)
    attack(x, y)
    softmax_kernel[(x.shape[0],)](x, y, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
    return y
"""
HONEST = "pass"
# Named from outside by the name that it gives itself: /proc shows it to the host.
SLEEPS = "LIBC.prctl(15, b'midway', 0, 0, 0)\ntime.sleep(600)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What the host code does before its honest kernel, and the verdict that it gets.

    `outside`: the signal that the test sends to the worker meanwhile. `says`: part of the verdict.
    """

    code: str
    status: str = "RUNTIME_ERROR"
    says: str = ""
    outside: signal.Signals | None = None
    devices: tuple[str, ...] = ("cpu", "cuda")


ATTACKS = {
    # It would live on without its judge, were that not forbidden as well.
    "never_ends": Attack(
        code="LIBC.prctl(1, 0, 0, 0, 0)\nwhile True: pass",
        status="TIMEOUT",
        says="did not finish",
    ),
    "kernel_never_ends": Attack(code="hung_kernel[(1,)](y)", status="TIMEOUT"),
    # Without a limit every thread would count against the host's process numbers.
    "fork_bomb_after_a_thread_bomb": Attack(
        code="""\
started = 0
try:
    for started in range(200):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
except RuntimeError:
    pass
if x.device.type == "cpu" and started:
    raise LookupError(f"{started} threads")
while True: os.fork()""",
        says="not permitted",
    ),
    "takes_all_device_memory": Attack(
        code="torch.zeros(100 << 30, dtype=torch.uint8, device=x.device).fill_(1)",
        says="memory",
        devices=("cuda",),
    ),
    "takes_all_host_memory": Attack(
        code="torch.zeros(100 << 30, dtype=torch.uint8, device='cpu').fill_(1)",
        says="memory",
        devices=("cuda",),
    ),
    # Ways to much memory, most of them past a limit on private memory; what it got, it says.
    "takes_all_memory": Attack(
        code="""\
got = []
try: got.append(torch.zeros(100 << 30, dtype=torch.uint8).fill_(1))
except RuntimeError: pass
try: got.append(mmap.mmap(-1, 100 << 30))
except OSError: pass
if LIBC.shmget(0, 1 << 30, 0o1600) >= 0: got.append("System V")
if LIBC.memfd_create(b"x", 0) >= 0: got.append("memfd")
for folder, most in ("/dev/shm", 64 << 20), ("/tmp", 512 << 20):
    size = os.statvfs(folder)
    if size.f_blocks * size.f_frsize > most: got.append(folder)
raise LookupError(f"it got {got}")""",
        says="it got []",
        devices=("cpu",),
    ),
    "grows_shared_memory": Attack(
        code="""\
kept = []
while True:
    kept.append(mmap.mmap(-1, 1 << 30))
    kept[-1].write(bytes(1 << 30))""",
        says="host memory",
        devices=("cuda",),
    ),
    "segmentation_fault": Attack(code="ctypes.string_at(0)", says="SIGSEGV"),
    "strays_on_the_device": Attack(
        code="stray_kernel[(1,)](y, 1 << 45)\ntorch.cuda.synchronize()", devices=("cuda",)
    ),
    "leaves": Attack(code="os._exit(0)", says="exit status 0"),
    "raises_system_exit": Attack(code="sys.exit(0)", says="SystemExit"),
    "killed_from_outside": Attack(code=SLEEPS, outside=signal.SIGKILL, says="SIGKILL"),
    "stopped_from_outside": Attack(code=SLEEPS, outside=signal.SIGSTOP, status="TIMEOUT"),
    # The first process of its namespace is deaf to its own signals: nothing happens.
    "stops_itself": Attack(
        code="os.kill(os.getpid(), signal.SIGSTOP)\nos.kill(os.getpid(), signal.SIGKILL)",
        status="PASSED",
    ),
    "floods_what_it_prints_and_its_replies": Attack(
        code="""\
try:
    while True: os.write(1 + (time.monotonic_ns() & 1), b"x" * (1 << 20))
except OSError:
    pass
pipes = [n for n in range(1, 64) if os.path.exists(f"/proc/self/fd/{n}")
         and os.readlink(f"/proc/self/fd/{n}").startswith("pipe:")]
for n in pipes: os.set_blocking(n, False)
while True:
    for n in pipes:  # CUDA has pipes of its own
        with contextlib.suppress(OSError): os.write(n, b"x" * 65536)""",
        says="more than a reply can have",
    ),
    # One that closed them and stayed would be a TIMEOUT: bwrap holds them open as well.
    "closes_its_pipes": Attack(code="os.closerange(0, 64)", says="exit status 1"),
    # JSON knows numbers that no int can hold; only the process that compiles is asked for any.
    "reports_impossible_numbers": Attack(
        code="""\
if COMPILING:
    pipes = [n for n in range(1, 64) if os.path.exists(f"/proc/self/fd/{n}")
             and os.readlink(f"/proc/self/fd/{n}").startswith("pipe:")]
    row = {"kernel": "k", "shared_bytes": 0, "num_warps": 4, "num_stages": 1, "grid": [1],
           "ptx": {"offset": 0, "size_bytes": 8}}
    text = json.dumps({"ok": True, "kernels": [row]}).replace('"grid": [1]', '"grid": [1e999]')
    os.write(pipes[-1], text.encode() + b"\\n")""",
        status="COMPILE_ERROR",
        devices=("cpu",),
    ),
}


def candidate(attack: str) -> Candidate:
    """A softmax that is right, and does `attack` first."""
    indented = "\n".join(f"    {line}" for line in attack.splitlines())
    return Candidate.of(KERNEL.replace("{attack}", indented), attempt=1)
