"""Bands around a candidate's own allocations: overruns show, honest code notices nothing."""

from __future__ import annotations

import ctypes

import pytest
import torch

from runner.verifier.bytewise import first_difference, same_bytes
from runner.verifier.guard import BAND_BYTES, GuardedAllocations

X = torch.arange(24, dtype=torch.float16).reshape(4, 6)
FACTORIES = {
    "empty": lambda: torch.empty(4, 6, dtype=torch.float16),
    "empty_like": lambda: torch.empty_like(X),
    "empty_like, transposed": lambda: torch.empty_like(X.t()),
    "empty_strided": lambda: torch.empty_strided((4, 6), (12, 2), dtype=torch.float16),
    "new_empty": lambda: X.new_empty(4, 6),
    "zeros": lambda: torch.zeros(4, 6, dtype=torch.float16),
    "zeros_like": lambda: torch.zeros_like(X),
    "full": lambda: torch.full((4, 6), 3.0, dtype=torch.float16),
    "ones": lambda: X.new_ones(4, 6),
    "clone": lambda: X.clone(),
    "cast": lambda: X.to(torch.float32),
    "int": lambda: torch.empty(7, dtype=torch.int64),
    "bool": lambda: torch.empty(7, dtype=torch.bool),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_guarded_tensor_looks_like_any_other(name):
    usual, guard = FACTORIES[name](), GuardedAllocations()
    with guard:
        made = FACTORIES[name]()
    assert type(made) is torch.Tensor
    assert (made.shape, made.stride(), made.dtype) == (usual.shape, usual.stride(), usual.dtype)
    assert made.device == usual.device
    assert made.data_ptr() % 256 == 0
    assert made._base is None
    assert made.untyped_storage().nbytes() > usual.untyped_storage().nbytes() + BAND_BYTES
    if name in ("zeros", "zeros_like", "full", "ones", "clone", "cast"):
        assert torch.equal(made, usual)
    elif made.is_floating_point():
        assert bool(made.isnan().all())  # what nobody writes does not look like an answer
    made.fill_(1)
    assert guard.overruns() == []


@pytest.mark.parametrize(
    ("offset", "before", "after"), [(48, None, 1), (50, None, 3), (-1, 1, None), (-16, 16, None)]
)
def test_a_byte_written_outside_is_reported_with_its_distance(offset, before, after):
    guard = GuardedAllocations()
    with guard:
        made, other = torch.empty_like(X), torch.zeros(5)
    ctypes.memset(made.data_ptr() + offset, 0, 1)
    row = {"shape": [4, 6], "dtype": "float16", "before": before, "after": after}
    assert guard.overruns() == [row]
    other.add_(1)
    guard.release()
    assert guard.overruns() == []


def test_views_and_arithmetic_are_left_alone():
    guard = GuardedAllocations()
    with guard:
        view, total, nothing = X.view(-1)[3:], X + X, torch.empty(0)
        given = torch.empty(3, out=torch.empty(3))
    assert view.untyped_storage().data_ptr() == X.untyped_storage().data_ptr()
    assert torch.equal(total, X * 2)
    assert (nothing.numel(), given.numel()) == (0, 3)


def test_what_does_not_fit_beside_the_bands_is_allocated_as_usual(monkeypatch):
    monkeypatch.setattr("runner.verifier.guard._MAX_HELD_BYTES", {"cpu": 20_000})
    guard = GuardedAllocations()
    with guard:
        first, second = torch.zeros(100), torch.zeros(3000)
    assert first.untyped_storage().nbytes() > 400
    assert second.untyped_storage().nbytes() == 12_000


def test_bytes_are_compared_as_they_are():
    nan = torch.full((9,), torch.nan)
    assert same_bytes(nan, nan.clone())
    assert not same_bytes(torch.zeros(3), -torch.zeros(3))
    assert not same_bytes(torch.zeros(3), torch.zeros(3, dtype=torch.int32))
    assert same_bytes(torch.empty(0), torch.empty(0))
    odd = torch.arange(7, dtype=torch.int8)
    assert same_bytes(odd[1:], odd[1:].clone())
    memory = torch.full((1000,), 255, dtype=torch.uint8)
    assert first_difference(memory, 255) is None
    memory[[700, 900]] = 0
    assert first_difference(memory, 255) == 700
