"""The words for wrong numbers: a clue is given where the numbers show it, and only there."""

from __future__ import annotations

import pytest
import torch

from runner.contract import Workload
from runner.verifier.comparison import compare
from runner.verifier.numerics import expect
from runner.verifier.patterns import describe_difference, describe_sizes

GENERATOR = torch.Generator().manual_seed(0)
EXACT = torch.randn(8, 100, generator=GENERATOR, dtype=torch.float64)
OTHER = torch.randn(8, 100, generator=GENERATOR, dtype=torch.float64)


def describe(change) -> str:
    found = EXACT.float()
    change(found)
    expected = expect(EXACT, EXACT.float(), EXACT)
    comparison = compare(found, expected, 2)
    lines = describe_difference(found, expected, comparison, ("M", "N"), {"other": OTHER})
    return "\n".join(lines)


def replace_by(answer):
    return lambda found: found.copy_(answer)


def set_to(place, value):
    def change(found):
        found[place] = value

    return change


@pytest.mark.parametrize(
    ("change", "clue"),
    [
        (
            set_to((slice(None), slice(96, None)), 9),
            "of axis 1 (N), which has 100: the last, partial",
        ),
        (set_to((slice(None), slice(64, None)), 9), "indices >= 64 of axis 1 (N)"),
        (set_to(3, 9), "only at index 3 of axis 0 (M), which has 8"),
        (set_to((slice(None), slice(16, 32)), 9), "only at indices 16 to 31 of axis 1 (N)"),
        (set_to((slice(None), slice(1, None, 2)), 9), "leaves 1 when divided by 2"),
        (set_to(..., torch.nan), "all wrong elements are NaN"),
        (set_to((0, 0), torch.inf), "1 of the wrong elements are infinite"),
        (set_to(..., 0.0), "all wrong elements are 0"),
        (set_to(..., 9.0), "all wrong elements are the same number, 9"),
        (lambda found: found.mul_(0.125), "found is about 0.125 times expected"),
        (lambda found: found.neg_(), "found is about -1 times expected"),
        (lambda found: found.add_(1), "found is expected +1 everywhere"),
        (set_to(0, 9), "only at index 0, the first of axis 0 (M)"),
        (set_to(7, 9), "only at index 7, the last of axis 0 (M)"),
        (set_to((slice(None), [*range(16, 32), *range(80, 96)]), 9), "in blocks of 16 of axis 1"),
        (
            set_to((slice(None), [*range(48, 64), *range(96, 100)]), 9),
            "48 to 63, and again every 48",
        ),
        (replace_by(EXACT.t().reshape(8, 100)), "found is the transpose of expected"),
        (replace_by(EXACT.roll(1, 1)), "just before it along axis 1 (N): an index is off by one"),
        (replace_by(EXACT.roll(-1, 0)), "just after it along axis 0 (M): an index is off by one"),
        (replace_by(OTHER), "what output other should be: two outputs are swapped"),
        (replace_by(EXACT.half()), "as if computed in half precision (float16 or TF32"),
        (replace_by(EXACT.bfloat16()), "as if computed in half precision (bfloat16"),
        (set_to(..., torch.nan), "computed from memory outside an input"),
        (set_to((slice(5, None), slice(None)), 0), "only at indices >= 5 of axis 0 (M)"),
        (set_to((2, 5), 9), "first at [2, 5]: expected "),
        (set_to((2, 5), 9), "1 of 800 elements wrong (0.125 %)"),
        (set_to(..., 9.0), "every element wrong"),
    ],
)
def test_clue_is_given(change, clue):
    assert clue in describe(change)


def test_noise_all_over_gets_no_false_clue():
    noise = torch.randn(8, 100, generator=torch.Generator().manual_seed(1))
    text = describe(lambda found: found.add_(noise))
    for word in ("only at", "times expected", "NaN", "same number", "blocks", "off by", "half"):
        assert word not in text


def workloads(*sizes: int) -> list[Workload]:
    return [Workload(axes={"M": 3, "N": size}) for size in sizes]


@pytest.mark.parametrize(
    ("right", "wrong", "clue"),
    [
        ((64, 128), (100, 77), "right where N is a multiple of 64, wrong where it is not"),
        ((64, 48), (100,), "multiple of 16"),
        ((64, 77), (128, 256), "right up to N = 77, wrong from N = 128 on"),
        ((256, 300), (100, 64), "right from N = 256 on, wrong up to N = 100"),
        ((64, 100), (77, 128), None),
        ((), (77,), None),
    ],
)
def test_sizes_tell_right_from_wrong_only_where_they_do(right, wrong, clue):
    said = describe_sizes(workloads(*right), workloads(*wrong))
    assert (said is None) if clue is None else (clue in said)
