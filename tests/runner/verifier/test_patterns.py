"""The words for wrong numbers: a clue is given where the numbers show it, and only there."""

from __future__ import annotations

import pytest
import torch

from runner.verifier.comparison import compare
from runner.verifier.numerics import expect
from runner.verifier.patterns import describe_difference

EXACT = torch.randn(8, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def describe(change) -> str:
    found = EXACT.float()
    change(found)
    expected = expect(EXACT, EXACT.float(), EXACT)
    return "\n".join(describe_difference(found, expected, compare(found, expected, 2), ("M", "N")))


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
    for word in ("only at", "times expected", "NaN", "same number"):
        assert word not in text
