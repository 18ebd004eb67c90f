"""Inputs beside a case's own, and what an error found there is worth."""

from __future__ import annotations

import pytest
import torch

from runner.verifier.comparison import compare
from runner.verifier.nearby import ASIDES, carry_errors, move_aside, rounds_to_half
from runner.verifier.numerics import expect


@pytest.mark.parametrize("factor", ASIDES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_moved_aside_rounds_otherwise_and_keeps_what_is_equal(dtype, factor):
    numbers = torch.randn(4096, generator=torch.Generator().manual_seed(1)).to(dtype)
    moved = move_aside(numbers, factor)
    assert moved.dtype is dtype
    assert (moved.double() - numbers.double()).abs().max() > 0
    assert bool((moved.abs() <= numbers.abs()).all())
    assert len({float(x) for x in move_aside(numbers[:1].expand(8), factor)}) == 1
    assert torch.equal(move_aside(torch.zeros(3, dtype=dtype), factor), torch.zeros(3, dtype=dtype))
    # A unit of the dtype at least, so that what is computed from it rounds otherwise.
    assert float(((moved - numbers).abs() / numbers.abs()).median()) > torch.finfo(dtype).eps / 2


def test_integers_are_nobodys_to_move():
    lengths = torch.tensor([3, 1])
    assert move_aside(lengths, 0.5) is lengths
    assert move_aside(lengths > 2, 0.5).dtype is torch.bool


@pytest.mark.parametrize(
    ("dtypes", "due"),
    [
        ([torch.float32, torch.float16], True),
        ([torch.bfloat16], True),
        ([torch.float8_e4m3fn], True),
        ([torch.float32, torch.float64], False),
        ([torch.int16, torch.bool, torch.float32], False),
        ([], False),
    ],
)
def test_only_roundings_to_sixteen_bits_are_drawn_again(dtypes, due):
    assert rounds_to_half(dtypes) is due


def test_the_largest_error_beside_counts_as_an_error_here():
    exact = torch.tensor([5.0, -7.0, 1.0], dtype=torch.float64)
    one = torch.tensor([4.5, 2.0, 3.0], dtype=torch.float16), exact.new_tensor([4.0, 2.0, 3.0])
    other = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float16), exact.new_tensor([1.2, 1.7, 3.0])
    (carried,) = carry_errors([exact], [([low], [noisy]) for low, noisy in (one, other)])
    assert (carried - exact).tolist() == pytest.approx([-0.5, -0.3, 0.0])


def test_integers_that_differ_beside_may_differ_here():
    exact, low = torch.tensor([3.0, 4.0], dtype=torch.float64), torch.tensor([3, 4])
    (carried,) = carry_errors([exact], [([torch.tensor([8, 9])], [torch.tensor([8, 10])])])
    expected = expect(exact, low, carried)
    assert compare(torch.tensor([3, 5]), expected, 1.0).passed
    assert not compare(torch.tensor([4, 4]), expected, 1.0).passed


@pytest.mark.parametrize("odd", [torch.inf, -torch.inf, torch.nan])
def test_what_is_not_finite_beside_lends_nothing_and_takes_nothing(odd):
    """In float16 an output may overflow there, and not here: no error follows from that."""
    exact = torch.ones(64, 64, dtype=torch.float64)
    low, fine = torch.full((64, 64), odd, dtype=torch.float16), exact.half()
    expected = expect(exact, fine, carry_errors([exact], [([low], [exact])])[0])
    assert not compare(torch.full((64, 64), 1.01).half(), expected, 3.0).passed
    assert compare(fine, expected, 3.0).passed
    for pairs in ([(fine, exact + 0.5), (low, exact)], [(low, exact), (fine, exact + 0.5)]):
        (carried,) = carry_errors([exact], [([v], [n]) for v, n in pairs])
        assert bool((carried == 1.5).all())


def test_a_pair_is_done_with_before_the_next_is_asked_for():
    arena = torch.zeros(2, dtype=torch.float64)

    def pairs():
        for value in (1.0, 0.25):
            yield [torch.zeros(2)], [arena.fill_(value)]

    assert carry_errors([torch.zeros(2, dtype=torch.float64)], pairs())[0].tolist() == [1.0, 1.0]


def test_an_honest_answer_is_not_refused_for_the_luck_of_one_rounding():
    """Honest evaluations of a sum whose terms are rounded to float16, on outputs of one element:
    how often does the one need more than three times the largest error of the others?"""

    def errors(x):
        terms = x.double() * 1.37
        return terms.float().half().double().sum(1) - terms.sum(1)

    x = torch.randn(2000, 64, generator=torch.Generator().manual_seed(1)).half()
    exact = (x.double() * 1.37).sum(1)
    low, found = exact + errors(x), exact + errors(move_aside(x, 0.99))
    none = torch.zeros_like(exact)
    beside = [([none], [errors(move_aside(x, factor))]) for factor in ASIDES]
    (carried,) = carry_errors([exact], beside)

    def refused(noisy):
        return sum(
            not compare(f.float(), expect(e, v.float(), n), 3.0).passed
            for e, v, n, f in zip(exact, low, noisy, found, strict=True)
        )

    # By one of them a fifth is refused, as the ratio of two normal errors has it.
    assert refused(exact) > 300
    assert refused(carried) < 60
