"""Shared memory between judge and worker: layout, limits, and hostile descriptions."""

from __future__ import annotations

import mmap
import os

import pytest
import torch

from runner.verifier.arena import ALIGN_BYTES, Arena, Slot, lay_out


@pytest.fixture
def arena():
    arena = Arena.create(10_000)
    yield arena
    arena.close()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8", "bool"])
@pytest.mark.parametrize("shape", [(), (3,), (0, 5), (2, 3, 4)])
def test_tensors_share_memory_at_their_slots(arena, dtype, shape):
    first, second = lay_out([("uint8", (1,)), (dtype, shape)])
    assert second.offset == ALIGN_BYTES
    written = torch.ones(shape, dtype=getattr(torch, dtype))
    arena.tensor(second).copy_(written)
    assert torch.equal(arena.tensor(second), written)
    assert int(arena.tensor(first)) == 0


def test_size_is_sealed(arena):
    for size in (0, arena.size_bytes * 2):
        with pytest.raises(PermissionError):
            os.ftruncate(arena.fd, size)
    assert arena.size_bytes % mmap.PAGESIZE == 0


@pytest.mark.parametrize(
    "row",
    [
        None,
        [],
        {},
        {"dtype": "float16", "shape": [4]},
        {"dtype": "float16", "shape": [-1], "offset": 0},
        {"dtype": "float16", "shape": [True], "offset": 0},
        {"dtype": "float16", "shape": [1 << 60], "offset": 0},
        {"dtype": "float16", "shape": [1] * 9, "offset": 0},
        {"dtype": "float16", "shape": [4], "offset": -256},
        {"dtype": "float16", "shape": [4], "offset": 1.5},
        {"dtype": 7, "shape": [4], "offset": 0},
        {"dtype": "float16", "shape": [4], "offset": 128},
        {"dtype": "float16", "shape": [6144], "offset": 256},
        {"dtype": "Tensor", "shape": [4], "offset": 0},
        {"dtype": "no_such", "shape": [4], "offset": 0},
    ],
)
def test_hostile_description_is_a_value_error(arena, row):
    with pytest.raises(ValueError, match=r"slot|dtype"):
        arena.tensor(Slot.from_json(row))


def test_slot_survives_its_own_json():
    slot = Slot(dtype="float16", shape=(2, 3), offset=256)
    assert Slot.from_json(slot.to_json()) == slot


@pytest.mark.parametrize(("offset", "size"), [(-1, 5), (0, -1), (0, 1 << 20), (1 << 20, 1)])
def test_text_outside_is_refused(arena, offset, size):
    with pytest.raises(ValueError, match="outside"):
        arena.text(offset, size)
