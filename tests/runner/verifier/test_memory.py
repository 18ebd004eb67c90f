"""Memory that ran out: recognised, told in one sentence, and given back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import weakref
from types import TracebackType

import pytest
import torch

from runner.contract import EvaluationStatus
from runner.errors import DeviceMemoryExhausted
from runner.verifier.finding import Finding
from runner.verifier.gpu.memory_plan import refuse_where_short
from runner.verifier.memory import (
    device_memory_told,
    exhausted,
    give_back,
    is_out_of_memory,
    ran_out,
)

GIB = 1 << 30
PYTORCH = (
    "CUDA out of memory. Tried to allocate 12.00 GiB. GPU 0 has a total capacity of 139.80 GiB of "
    "which 8.34 GiB is free. Process 475 has 1.66 GiB memory in use."
)
FROM_THE_DRIVER = "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in https://…"


@pytest.fixture
def gpu_with(monkeypatch):
    """A GPU with so much free memory, of 140 GiB; returns how often its cache was emptied."""

    def install(free_bytes):
        emptied = []
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free_bytes, 140 * GIB))
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(free_bytes))
        return emptied

    return install


@pytest.mark.parametrize(
    ("kind", "message", "due"),
    [
        ("OutOfMemoryError", PYTORCH, True),
        ("MemoryError", "", True),
        ("DeviceMemoryExhausted", "the GPU's memory ran out", True),
        ("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory: …", True),
        ("AcceleratorError", FROM_THE_DRIVER, True),
        ("RuntimeError", "Triton Error [CUDA]: out of memory", True),
        ("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling …", True),
        ("AcceleratorError", "CUDA error: an illegal memory access was encountered", False),
        ("OutOfResources", "out of resource: shared memory, Required: 262144", False),
        ("RuntimeError", "it ran out of time", False),
        ("ValueError", "CUDA out of memory", False),
    ],
)
def test_an_error_of_memory_is_recognised(kind, message, due):
    assert is_out_of_memory(kind, message) is due


@pytest.mark.parametrize(
    ("free_gib", "said", "sentence"),
    [
        (
            8,
            PYTORCH,
            "the GPU's memory ran out: 12.9 GB were asked for, 8.59 of the GPU's 150.3 GB are free;"
            " other processes may hold the rest (nvidia-smi lists them)",
        ),
        (
            60,
            PYTORCH,
            "the GPU's memory ran out: 12.9 GB were asked for, 64.4 of the GPU's 150.3 GB are free;"
            " a worker may take no more than its share, or others have given some back",
        ),
        (
            8,
            FROM_THE_DRIVER,
            "the GPU's memory ran out: 8.59 of the GPU's 150.3 GB are free;"
            " other processes may hold the rest (nvidia-smi lists them)",
        ),
    ],
)
def test_a_full_gpu_is_told_in_one_sentence(free_gib, said, sentence, gpu_with):
    gpu_with(free_gib * GIB)
    assert str(exhausted(said=said)) == sentence


def test_where_not_even_a_context_fits_the_sentence_has_no_figures(monkeypatch):
    def refuse():
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", refuse)
    assert str(exhausted()) == "the GPU's memory ran out"


@pytest.mark.parametrize(
    ("device", "said", "due"),
    [
        ("cuda", f"OutOfMemoryError: {PYTORCH}", "it ran out of the GPU's memory: 12.9 GB were"),
        ("cuda", "MemoryError", "it ran out of memory (MemoryError)"),
        ("cpu", "MemoryError", "it ran out of memory (MemoryError)"),
    ],
)
def test_the_hosts_memory_is_not_the_gpus(device, said, due, gpu_with):
    gpu_with(8 * GIB)
    assert ran_out("it", said, torch.device(device)).startswith(due)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError(PYTORCH), torch.AcceleratorError(FROM_THE_DRIVER)]
)
def test_pytorchs_error_becomes_ours(error, gpu_with):
    gpu_with(8 * GIB)
    with pytest.raises(DeviceMemoryExhausted) as told, device_memory_told():
        raise error
    assert told.value.__cause__ is error
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA error: device-side assert"), RuntimeError("can't allocate memory")]
)
def test_another_error_stays_what_it_is(error):
    with pytest.raises(RuntimeError) as raised, device_memory_told():
        raise error
    assert raised.value is error


def test_tensors_of_a_failure_on_its_way_out_are_given_back(monkeypatch):
    alive = []
    held: list[weakref.ref] = []

    def work():
        tensor = torch.zeros(8)
        cycle = [tensor]
        cycle.append(cycle)
        held.append(weakref.ref(tensor))
        try:
            raise torch.OutOfMemoryError(PYTORCH)
        except torch.OutOfMemoryError as error:
            raise RuntimeError("in other words") from error

    def work_and_give_back():
        try:
            work()
        finally:
            give_back()

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: alive.append(held[0]() is not None))
    with pytest.raises(RuntimeError, match="in other words"):
        work_and_give_back()
    assert alive == [False]


def test_giving_back_initialises_no_gpu():
    code = (
        "import torch; from runner.verifier.memory import exhausted, give_back; "
        "torch.cuda.empty_cache = torch.cuda._lazy_init = torch.cuda.mem_get_info = None; "
        "give_back(); print(exhausted())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "the GPU's memory ran out\n"), done.stderr


def finding(summary, detail=""):
    status = EvaluationStatus.RUNTIME_ERROR
    return Finding(status=status, stage="smoke", summary=summary, detail=detail)


@pytest.mark.parametrize(
    "failed",
    [
        finding(f"kernel.py:3: OutOfMemoryError: {PYTORCH}"),
        finding("RuntimeError: Triton Error [CUDA]: out of memory"),
        finding("compute-sanitizer memcheck: Error", "Program hit cudaErrorMemoryAllocation"),
    ],
)
def test_a_candidate_is_not_blamed_for_a_full_gpu(failed, gpu_with):
    emptied = gpu_with(4 * GIB)
    with pytest.raises(DeviceMemoryExhausted, match="a candidate could not be judged"):
        refuse_where_short(failed, due_bytes=8 * GIB)
    assert emptied, "measured before the judge gave back what it did not use"


def test_a_candidate_that_takes_too_much_is_to_blame(gpu_with):
    gpu_with(100 * GIB)
    refuse_where_short(finding(f"OutOfMemoryError: {PYTORCH}"), due_bytes=8 * GIB)


@pytest.mark.parametrize("failed", [None, finding("ZeroDivisionError: division by zero")])
def test_what_failed_for_another_reason_is_not_looked_into(failed, gpu_with):
    emptied = gpu_with(0)
    refuse_where_short(failed, due_bytes=8 * GIB)
    assert emptied == []


def test_a_coroutine_that_waits_in_the_wake_of_a_failure_goes_on():
    """Its frame is in the failure's traceback; ended, it would never come to its result."""

    async def waits():
        try:
            raise ValueError("first")
        except ValueError:
            await asyncio.sleep(0.01)
            return "done"

    async def main():
        waiting = asyncio.ensure_future(waits())
        await asyncio.sleep(0)
        frame = waiting.get_coro().cr_frame
        failure = RuntimeError("second")
        failure.__traceback__ = TracebackType(None, frame, frame.f_lasti, frame.f_lineno)
        try:
            raise failure
        except RuntimeError:
            give_back()
        return await asyncio.wait_for(waiting, 2)

    assert asyncio.run(main()) == "done"
