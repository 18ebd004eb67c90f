"""One judge outlives every attack on its host, and after each its next verdict is right.

All verdicts of a device come from one `Verifier`; the last test closes it and looks for what is
left: processes, descriptors, files, memory of the GPU.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from runner.contract import Evaluation, EvaluationStatus
from runner.verifier import Verifier, VerifyOptions, judge
from tests.attacks.host_attacks import ATTACKS, HONEST, candidate

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: what our workers leave behind becomes ours, and visible
MARKS = {
    "cpu": (),
    "cuda": (
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
    ),
}
_TIMEOUT_S = {"cpu": 6.0, "cuda": 12.0}


def running_descendants() -> set[int]:
    """All that came from this process and has not ended."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                # "pid (name) state parent …": the name may hold anything, brackets too.
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                parents[int(entry.name)] = (int(parent), state)
    found, queue = set(), [os.getpid()]
    while queue:
        above = queue.pop()
        below = [pid for pid, (parent, _) in parents.items() if parent == above]
        found |= {pid for pid in below if parents[pid][1] != "Z"}
        queue += below
    return found


def free_device_bytes(device: str) -> int:
    """Free memory of the GPU once this process has given back what it keeps; 0 without one."""
    if device == "cpu":
        return 0
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The machine as it was before there was a judge."""

    processes: set[int]
    descriptors: int
    device_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    verifier: Verifier
    device: str
    before: Before
    temp: Path

    def verify(self, attack: str) -> Evaluation:
        return self.verifier.verify(candidate(attack))


@pytest.fixture(scope="module")
def bench(request, softmax_problem, sandboxed, tmp_path_factory) -> Iterator[Bench]:
    """The one judge of a device, with the screen put aside: what stands behind it is tested."""
    libc = ctypes.CDLL(None)
    libc.prctl(_SUBREAPER, 1, 0, 0, 0)
    temp = tmp_path_factory.mktemp("temp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temp))
        patch.setattr(judge, "screen", lambda source, problem: None)
        if request.param == "cuda":
            from runner.verifier import process

            # Enough to meet the limit in seconds, not in a minute.
            patch.setattr(process, "DATA_BYTES", 8 << 30)
            torch.zeros(1, device="cuda")
        gc.collect()
        before = Before(
            processes=running_descendants(),
            descriptors=open_descriptors(),
            device_bytes=free_device_bytes(request.param),
        )
        options = VerifyOptions(
            device=request.param, rounds=1, quick=True, timeout_s=_TIMEOUT_S[request.param]
        )
        with Verifier(softmax_problem, options) as verifier:
            yield Bench(verifier=verifier, device=request.param, before=before, temp=temp)
    libc.prctl(_SUBREAPER, 0, 0, 0, 0)


def signal_midway(signal_: signal.Signals, stop: threading.Event) -> None:
    """Send `signal_` to every worker that calls itself midway, until `stop`."""
    sent: set[int] = set()
    while not stop.wait(0.05):
        for pid in running_descendants() - sent:
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text() == "midway\n":
                    os.kill(pid, signal_)
                    sent.add(pid)


@pytest.mark.parametrize(
    ("bench", "attack"),
    [
        pytest.param(device, attack, marks=MARKS[device], id=f"{device}-{name}")
        for device in MARKS
        for name, attack in ATTACKS.items()
        if device in attack.devices
    ],
    indirect=["bench"],
)
def test_next_verdict_after_an_attack_is_right(bench, attack):
    stop = threading.Event()
    sender = threading.Thread(target=signal_midway, args=(attack.outside, stop))
    if attack.outside is not None:
        sender.start()
    try:
        attacked = bench.verify(attack.code)
    finally:
        stop.set()
        if attack.outside is not None:
            sender.join()
    assert attacked.status.value == attack.status, attacked.detail
    assert attack.says in f"{attacked.summary}\n{attacked.detail}"
    assert attacked.summary
    assert "\n" not in attacked.summary
    after = bench.verify(HONEST)
    assert after.status is EvaluationStatus.PASSED, after.detail


@pytest.mark.parametrize(
    "bench", [pytest.param(device, marks=marks) for device, marks in MARKS.items()], indirect=True
)
def test_nothing_is_left_behind(bench):
    bench.verifier.close()
    bench.verifier.close()  # as an operator's second Ctrl-C would
    deadline = time.monotonic() + 5
    while running_descendants() - bench.before.processes and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running_descendants() <= bench.before.processes
    gc.collect()
    assert open_descriptors() <= bench.before.descriptors
    assert list(bench.temp.iterdir()) == []
    while free_device_bytes(bench.device) < bench.before.device_bytes - (64 << 20):
        assert time.monotonic() < deadline, "the GPU's memory was not given back"
        time.sleep(0.05)
