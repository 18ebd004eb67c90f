"""Where inputs lie: strides that a spec allows, and bands around them that nobody may touch."""

from __future__ import annotations

import pytest
import torch

from runner.contract import Workload
from runner.problem import parse_problem
from runner.verifier.arena import Arena, Slot
from runner.verifier.inputs import Case, make_inputs, plan_cases
from runner.verifier.layouts import (
    CONTIGUOUS,
    EVERY_SECOND,
    LAYOUTS,
    OFFSET,
    TRANSPOSED,
    behind,
    input_slots,
    written_outside,
)

TOML = """\
name = "add"
entry = "add"
summary = "x + b"
[axes]
M = [1, 64]
N = [1, 64]
[[inputs]]
name = "x"
shape = ["M", "N"]
dtype = "float16"
contiguous = false
[[inputs]]
name = "b"
shape = ["N"]
dtype = "float32"
[[outputs]]
name = "y"
shape = ["M", "N"]
dtype = "float32"
[[tests]]
M = 3
N = 10
[[benchmarks]]
M = 64
N = 64
"""
PROBLEM = parse_problem(TOML, "def add(x, b):\n    return x + b\n")


@pytest.fixture
def arena():
    made = Arena.create(1 << 16)
    made.fill(0xFF, made.size_bytes)
    yield made
    made.close()


def case(layout: str) -> Case:
    workload = Workload(axes={"M": 3, "N": 10})
    return Case(workload=workload, distribution="normal", seed=1, layout=layout)


def put(arena: Arena, layout: str) -> dict[str, Slot]:
    slots = dict(zip(("x", "b"), input_slots(PROBLEM, case(layout)), strict=True))
    for name, tensor in make_inputs(PROBLEM, case(layout)).items():
        arena.tensor(slots[name]).copy_(tensor)
    return slots


@pytest.mark.parametrize(
    ("layout", "strides", "skip"),
    [
        (CONTIGUOUS, (10, 1), 0),
        (TRANSPOSED, (1, 3), 0),
        (EVERY_SECOND, (20, 2), 0),
        (OFFSET, (13, 1), 1),
    ],
)
def test_views_have_the_strides_and_the_values(layout, strides, skip, arena):
    slots = put(arena, layout)
    # As the other side sees it: through JSON.
    x = arena.tensor(Slot.from_json(slots["x"].to_json()))
    assert x.stride() == strides
    assert (x.data_ptr() - arena.tensor(slots["b"]).data_ptr()) % 2 == 0
    assert slots["x"].skip == skip
    assert torch.equal(x, make_inputs(PROBLEM, case(layout))["x"])
    assert arena.tensor(slots["b"]).is_contiguous()
    assert written_outside(arena, slots) is None


@pytest.mark.parametrize(
    ("layout", "name", "offset", "said"),
    [
        (CONTIGUOUS, "x", 60, "input x (1 bytes after its end)"),
        (CONTIGUOUS, "x", 70, "input x (11 bytes after its end)"),
        (CONTIGUOUS, "x", -2, "input x (2 bytes before its beginning)"),
        (CONTIGUOUS, "b", -4, "input b (4 bytes before its beginning)"),
        (CONTIGUOUS, "b", 40, "input b (1 bytes after its end)"),
        (EVERY_SECOND, "x", 2, "between the elements of input x, which has gaps"),
        (OFFSET, "x", 0, "between the elements of input x, which has gaps"),
    ],
)
def test_a_written_band_is_found_and_placed(layout, name, offset, said, arena):
    slots = put(arena, layout)
    arena.write(slots[name].offset + offset, b"\0")
    assert written_outside(arena, slots) == said


def test_bands_end_where_outputs_may_begin(arena):
    slots = put(arena, CONTIGUOUS)
    end = behind(list(slots.values()))
    arena.write(end, b"\0")
    assert written_outside(arena, slots) is None
    arena.write(end - 1, b"\0")
    assert written_outside(arena, slots) is not None


def test_only_inputs_that_may_be_strided_get_layouts():
    planned = plan_cases(PROBLEM, 5)
    assert {case.layout for case in planned} == {CONTIGUOUS, *LAYOUTS}
    strict = parse_problem(TOML.replace("contiguous = false\n", ""), PROBLEM.reference_text)
    assert {case.layout for case in plan_cases(strict, 5)} == {CONTIGUOUS}


@pytest.mark.parametrize(
    "row",
    [
        {"strides": [1]},
        {"strides": [1, -1]},
        {"strides": "11"},
        {"strides": [1, 1.0]},
        {"strides": [1, 1], "skip": -1},
        {"strides": [1, 1], "skip": None},
    ],
)
def test_bad_strides_from_the_other_side_are_refused(row):
    with pytest.raises(ValueError, match="stride"):
        Slot.from_json({"dtype": "float16", "shape": [2, 2], "offset": 0, **row})


def test_strides_that_leave_the_arena_are_refused(arena):
    far = Slot(dtype="float32", shape=(2, 2), offset=0, strides=(1 << 20, 1))
    with pytest.raises(ValueError, match="outside the arena"):
        arena.tensor(far)
