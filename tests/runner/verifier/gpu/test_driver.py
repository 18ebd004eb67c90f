"""Device memory that is shared by descriptor: a call that fails leaves nothing held."""

from __future__ import annotations

import os

import pytest
import torch

from runner.errors import DeviceMemoryExhausted, RunnerError
from runner.verifier.gpu import device_arena, driver
from runner.verifier.gpu.device_arena import DeviceArena
from tests.fakes.cuda_driver import OTHER_ERROR, OUT_OF_MEMORY, FakeDriver

SIZE_BYTES = 1 << 20
MAPPING = ("cuMemAddressReserve", "cuMemMap", "cuMemSetAccess")


@pytest.fixture
def library(monkeypatch):
    fake = FakeDriver()
    monkeypatch.setattr(driver, "_library", lambda: fake)
    yield fake
    for fd in fake.descriptors:
        if "descriptor" in fake.held:
            os.close(fd)


@pytest.fixture
def gpu(monkeypatch):
    """As much of a GPU as an arena asks PyTorch for."""
    stream = type("Stream", (), {"synchronize": lambda self: None})()
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch, "as_tensor", lambda raw, device: torch.zeros(4))


@pytest.mark.parametrize("failing", ["cuMemCreate", "cuMemExportToShareableHandle", *MAPPING])
@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (OUT_OF_MEMORY, DeviceMemoryExhausted, "the GPU's memory ran out"),
        (OTHER_ERROR, RunnerError, "CUDA driver: invalid argument"),
    ],
)
def test_memory_that_cannot_be_made_leaves_nothing_held(failing, code, kind, says, library):
    library.fails[failing] = code
    with pytest.raises(kind, match=says):
        driver.create_shared(SIZE_BYTES, 0)
    assert library.held == []


@pytest.mark.parametrize("failing", ["cuMemImportFromShareableHandle", *MAPPING])
def test_memory_that_cannot_be_opened_leaves_nothing_held(failing, library):
    library.fails[failing] = OUT_OF_MEMORY
    with pytest.raises(DeviceMemoryExhausted):
        driver.open_shared(7, SIZE_BYTES, 0)
    assert library.held == []


def test_what_is_made_is_held_until_it_is_closed(library, gpu):
    arena = DeviceArena.create(SIZE_BYTES)
    assert library.held == ["handle", "address", "mapping", "descriptor"]
    arena.close()
    assert library.held == []


def test_an_arena_that_pytorch_does_not_take_leaves_nothing_held(library, gpu, monkeypatch):
    def refuse(raw, device):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch, "as_tensor", refuse)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        DeviceArena.create(SIZE_BYTES)
    assert library.held == []


def test_an_arena_may_take_what_pytorch_keeps_unused(library, gpu, monkeypatch):
    """Its memory is the driver's own: PyTorch's allocator cannot know that it is wanted."""
    library.fails["cuMemCreate"] = OUT_OF_MEMORY
    monkeypatch.setattr(device_arena, "give_back", library.fails.clear)
    DeviceArena.create(SIZE_BYTES).close()
    assert library.held == []


def test_an_arena_that_is_larger_than_what_is_left_says_what_was_asked_for(library, gpu):
    library.fails["cuMemCreate"] = OUT_OF_MEMORY
    with pytest.raises(DeviceMemoryExhausted, match=r"12\.9 GB were asked for") as refused:
        DeviceArena.create(12 << 30)
    assert refused.value.asked_bytes == 12 << 30
