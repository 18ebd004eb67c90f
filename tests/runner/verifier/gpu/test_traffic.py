"""Which inputs are read whole, by experiment on references whose answer is known."""

from __future__ import annotations

import pytest
import torch

from runner.verifier.gpu.traffic import input_bytes, output_bytes, read_whole
from runner.verifier.inputs import NORMAL, Case
from tests.runner.verifier.gpu.problems import problem_of


class FakeReference:
    """A function in place of the reference's worker; counts the calls."""

    def __init__(self, function):
        self._function = function
        self.calls = 0

    def call(self, case, inputs):
        self.calls += 1
        return [self._function(**{name: t.clone() for name, t in inputs.items()})]


def whole(problem, function, seed=5):
    case = Case(workload=problem.tests[0], distribution=NORMAL, seed=seed)
    return set(read_whole(problem, FakeReference(function), case, torch.device("cpu")))


ONE = problem_of("x: M N float32", outputs="y: M N float32", tests=("M=4 N=32",))
HALF = problem_of("x: M N float16", outputs="y: M N float16", tests=("M=4 N=32",))


@pytest.mark.parametrize("problem", [ONE, HALF], ids=["float32", "float16"])
@pytest.mark.parametrize(
    "function",
    [
        torch.relu,  # a negative element matters once it is large
        lambda x: torch.softmax(x.float(), -1).to(x.dtype),
        lambda x: x.sum(-1, keepdim=True).expand_as(x),
        lambda x: x.amax(-1, keepdim=True).expand_as(x),  # every element could be the largest
        lambda x: x.amin(-1, keepdim=True).expand_as(x),
        lambda x: (x > 0).to(x.dtype),
        lambda x: x.clamp(-1, 1),
    ],
    ids=["relu", "softmax", "sum", "max", "min", "sign", "clamp"],
)
def test_an_input_that_every_answer_depends_on_is_read_whole(function, problem):
    assert whole(problem, lambda x: function(x)) == {"x"}


def test_an_input_that_is_ignored_is_not():
    problem = problem_of("x: N float32, unused: N float32, w: N float32")
    assert whole(problem, lambda x, unused, w: x * w) == {"x", "w"}


def test_of_a_table_that_is_looked_up_few_rows_are_read():
    problem = problem_of(
        "table: V 8 float32, i: N int64 0..V",
        outputs="y: N 8 float32",
        tests=("V=1000 N=16",),
    )
    assert whole(problem, lambda table, i: table[i]) == {"i"}


def test_what_a_mask_leaves_out_is_not_read_but_the_mask_is():
    problem = problem_of("x: N float32, mask: N bool")
    assert whole(problem, lambda x, mask: torch.where(mask, x, 0.0)) == {"mask"}


def test_half_an_input_is_not_the_whole():
    problem = problem_of("x: N float32", tests=("N=4096",))
    assert whole(problem, lambda x: torch.cat([x[:2048], x[:2048]])) == set()


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8"])
def test_integers_are_changed_within_their_range(dtype):
    problem = problem_of(f"i: N {dtype} 3..9", outputs=f"y: N {dtype}")
    met = []

    def note(i):
        met.append(i)
        return i * 2

    assert whole(problem, note) == {"i"}
    assert all(i.min() >= 3 and i.max() < 9 for i in met)
    assert any((i != met[0]).any() for i in met[1:])


def test_an_integer_that_can_have_one_value_only_is_not_waited_for():
    problem = problem_of("i: N int32 3..4", outputs="y: N int32")
    assert whole(problem, lambda i: i * 2) == set()


def test_an_empty_input_is_read_by_nobody():
    problem = problem_of("x: N float32, none: 0 N float32")
    assert whole(problem, lambda x, none: x + none.sum(0)) == {"x"}


def test_a_result_of_not_a_number_is_no_change_by_itself():
    problem = problem_of("x: N float32")
    assert whole(problem, lambda x: torch.full_like(x, float("nan"))) == set()


def test_the_reference_is_asked_a_few_times_only():
    reference = FakeReference(lambda x: torch.zeros_like(x))
    case = Case(workload=ONE.tests[0], distribution=NORMAL, seed=1)
    read_whole(ONE, reference, case, torch.device("cpu"))
    assert reference.calls <= 1 + 2 * 6


def test_bytes_are_those_of_the_declared_shapes_and_types():
    problem = problem_of(
        "x: M N float16, i: M int64 0..N, flag: M bool",
        outputs="y: M N float32, z: M int8",
        tests=("M=3 N=64",),
    )
    workload = problem.tests[0]
    assert input_bytes(problem, workload) == 3 * 64 * 2 + 3 * 8 + 3
    assert input_bytes(problem, workload, frozenset({"i"})) == 24
    assert input_bytes(problem, workload, frozenset()) == 0
    assert output_bytes(problem, workload) == 3 * 64 * 4 + 3
