"""The error budget: honest rounding passes, everything that a cheat would like to hide does not."""

from __future__ import annotations

import pytest
import torch

from runner.verifier import tiles
from runner.verifier.comparison import compare, wrong_mask
from runner.verifier.nearby import disturb
from runner.verifier.numerics import expect

GENERATOR_SEED = 5


def normal(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(GENERATOR_SEED)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def expectation(exact: torch.Tensor, dtype: torch.dtype, low: torch.Tensor | None = None):
    """Expected of an output whose low-precision reference is `low`, or `exact` rounded."""
    return expect(exact, exact.to(dtype) if low is None else low.to(dtype), exact)


def passes(found: torch.Tensor, expected, multiplier: float = 2.0) -> bool:
    return compare(found, expected, multiplier).passed


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (1,), (65,), (3, 5), (100, 130), (2, 3, 70, 64)])
def test_rounded_truth_passes_and_zero_does_not(dtype, shape):
    exact = normal(*shape)
    expected = expectation(exact, dtype)
    assert passes(exact.to(dtype), expected)
    assert not passes(torch.zeros(shape, dtype=dtype), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_neighbour_of_the_rounded_truth_passes(dtype):
    exact = normal(64, 64)
    rounded = exact.to(dtype)
    neighbour = torch.nextafter(rounded, torch.full_like(rounded, torch.inf))
    nearer = (neighbour.double() - exact).abs() < (rounded.double() - exact).abs() * 4
    assert passes(torch.where(nearer, neighbour, rounded), expectation(exact, dtype))


@pytest.mark.parametrize("narrow", [torch.float16, torch.bfloat16])
def test_float32_answer_computed_in_half_precision_fails(narrow):
    x, w = normal(64, 256), normal(256, 64)
    exact = x @ w
    expected = expectation(exact, torch.float32, low=(x.float() @ w.float()))
    found = (x.to(narrow).double() @ w.to(narrow).double()).float()
    assert not passes(found, expected)


def test_float32_sum_in_another_order_passes():
    x = normal(64, 8192).float()
    exact = x.double().sum(1)
    low = x.sum(1)
    noisy = disturb(x, 2.0**-22, torch.Generator().manual_seed(1)).sum(1)
    sequential = torch.zeros(64)
    for start in range(0, 8192, 128):
        sequential += x[:, start : start + 128].sum(1)
    assert passes(sequential, expect(exact, low, noisy))


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(slice(0, 1), slice(0, 1)), (slice(64, 128), slice(64, 128)), (slice(999, 1000), slice(None))],
)
def test_one_wrong_part_cannot_hide_in_a_large_output(rows, columns):
    exact = normal(1000, 512)
    found = exact.half()
    found[rows, columns] *= 1.02
    expected = expectation(exact, torch.float16)
    comparison = compare(found, expected, 2.0)
    assert not comparison.passed
    wrong = wrong_mask(found, expected, 2.0)
    assert bool(wrong[rows, columns].any())
    assert int(wrong.sum()) == int(wrong[rows, columns].sum()) == comparison.wrong_elements
    assert list(comparison.worst_index) in wrong.nonzero().tolist()


def test_wrong_small_tile_beside_large_values_is_found():
    exact = normal(128, 64)
    exact[:64] *= 1e4
    exact[64:] *= 1e-3
    found = exact.half()
    found[64:] = 0
    assert not passes(found, expectation(exact, torch.float16))


def test_many_small_errors_in_one_direction_are_found_by_their_rms():
    exact = normal(64, 64)
    # One coarse element makes the largest honest error of the block large.
    low = exact.half()
    low[0, 0] = float(low[0, 0]) + 0.5
    expected = expectation(exact, torch.float16, low=low)
    found = (exact + 0.4).half()
    comparison = compare(found, expected, 2.0)
    assert comparison.wrong_elements == 0
    assert comparison.rms_error > comparison.rms_budget
    assert not comparison.passed


def test_multiplier_widens_the_budget():
    exact = normal(64, 64)
    found = (exact * (1 + 6 * 2.0**-11)).half()
    expected = expectation(exact, torch.float16)
    assert not passes(found, expected, multiplier=2.0)
    assert passes(found, expected, multiplier=40.0)


@pytest.mark.parametrize(
    ("truth", "found", "passed"),
    [
        ("nan", "nan", True),
        ("nan", "0", False),
        ("nan", "inf", False),
        ("inf", "inf", True),
        ("inf", "-inf", False),
        ("inf", "60000", False),
        ("1", "nan", False),
        ("1", "inf", False),
        ("70000", "inf", True),  # float16 ends at 65504
        ("70000", "65504", False),
        ("65510", "inf", True),  # one step either side of overflow
        ("65490", "65504", True),
    ],
)
def test_nan_and_infinity_must_stand_where_they_are_due(truth, found, passed):
    exact, answer = normal(8, 8), None
    exact[3, 4] = float(truth)
    answer = exact.half()
    answer[3, 4] = float(found)
    assert passes(answer, expectation(exact, torch.float16)) is passed


def test_overflow_inside_the_low_precision_reference_excuses_only_its_own_element():
    exact = normal(8, 8)
    low = exact.half()
    low[2, 2] = torch.inf
    expected = expectation(exact, torch.float16, low=low)
    assert passes(low, expected)
    assert passes(exact.half(), expected)
    wrong = low.clone()
    wrong[2, 3] = torch.inf
    assert not passes(wrong, expected)


def test_output_of_nan_everywhere_has_no_error_figure():
    exact = normal(4, 4)
    comparison = compare(torch.full((4, 4), torch.nan), expectation(exact, torch.float32), 2.0)
    assert not comparison.passed
    assert comparison.max_error is None
    assert comparison.found is None


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.uint8, torch.bool])
def test_integers_must_be_equal(dtype):
    exact = torch.arange(64).reshape(8, 8) % 2
    expected = expectation(exact.double(), dtype)
    assert passes(exact.to(dtype), expected)
    other = exact.clone()
    other[7, 7] = 1 - other[7, 7]
    assert not passes(other.to(dtype), expected)


def test_integer_that_the_references_round_differently_is_excused_there_only():
    exact = torch.zeros(4, 4, dtype=torch.float64)
    low = exact.to(torch.int8)
    low[1, 1] = 1
    expected = expect(exact, low, exact)
    assert passes(low, expected)
    assert not passes(torch.ones(4, 4, dtype=torch.int8), expected)


def test_empty_output_passes():
    exact = torch.empty(0, 7, dtype=torch.float64)
    assert passes(exact.half(), expectation(exact, torch.float16))


@pytest.mark.parametrize(
    ("value", "dtype", "unit"),
    [
        (1.0, torch.float16, 2.0**-10),
        (1.99, torch.float16, 2.0**-10),
        (0.5, torch.float16, 2.0**-11),
        (0.0, torch.float16, 2.0**-24),
        (2.0**-24, torch.float16, 2.0**-24),
        (1.0, torch.bfloat16, 2.0**-7),
        (-3.0, torch.float32, 2.0**-22),
        (0.0, torch.float32, 2.0**-126),
        (float("inf"), torch.float32, 2.0**-126),
    ],
)
def test_rounding_unit_is_the_spacing_of_the_dtype(value, dtype, unit):
    assert float(expectation(torch.tensor([value]).double(), dtype).unit_rms) == unit


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    ("size", "small", "right"),
    [(1e4, 1e-33, True), (1e4, 1e-31, False), (1.0, 1e-34, False), (1e-9, 1e-36, False)],
)
def test_a_flushed_weight_counts_at_the_size_of_the_output(dtype, size, small, right):
    """exp2 flushes below 1.2e-38; gradients of 1e4, 64 x 64 of them, make up to 1e-32."""
    exact = torch.cat([normal(64, 64).mul_(size), normal(64, 64).clamp_(-1, 1).mul_(small)])
    found = exact.to(dtype)
    found[64:] = 0.0
    assert passes(found, expectation(exact, dtype)) is right


def test_a_flushed_weight_is_no_excuse_in_float64():
    exact = torch.cat([normal(64, 64).mul_(1e4), normal(64, 64).mul_(1e-33)])
    found = exact.clone()
    found[64:] = 0.0
    assert not passes(found, expectation(exact, torch.float64))


def off_by(exact: torch.Tensor, relative: torch.Tensor) -> torch.Tensor:
    """`exact` with an error in each of its 64 x 64 blocks: `relative`, one number a block."""
    signs = torch.randn(exact.shape, generator=torch.Generator().manual_seed(7)).sign()
    return exact + signs * relative.repeat_interleave(64, 0).repeat_interleave(64, 1)


def test_honest_block_is_not_judged_by_the_luck_of_the_reference():
    exact = normal(64 * 20, 64 * 5)
    honest = torch.full((20, 5), 1e-3, dtype=torch.float64)
    honest[::4] = 4e-3  # a quarter of the blocks is harder than the others
    lucky = honest.clone()
    lucky[8, 2] = 1e-5  # one of them, and there the reference happens to be right
    low, noisy = off_by(exact, lucky), exact
    expected = expect(exact, low.float(), noisy)
    assert passes(off_by(exact, honest).float(), expected)
    bad = honest.clone()
    bad[8, 2] = 1.2e-2
    assert not passes(off_by(exact, bad).float(), expected)


def test_blocks_that_are_noise_say_nothing_of_the_others():
    exact = normal(64 * 20, 64 * 5)
    honest = torch.full((20, 5), 1e-4, dtype=torch.float64)
    honest[::4] = 1.0
    expected = expect(exact, off_by(exact, honest).float(), exact)
    assert passes(off_by(exact, honest).float(), expected)
    bad = honest.clone()
    bad[9, 2] = 5e-3
    assert not passes(off_by(exact, bad).float(), expected)


def plain_rule(exact, low, noisy, found, multiplier):
    """The rule of the module's docstring, block by block and element by element."""
    info = torch.finfo(low.dtype)
    room = 16 * 4 * 2.0**-24
    rows, columns = exact.shape
    error = torch.stack([(low.double() - exact).abs(), (noisy - exact).abs(), exact.abs() * room])
    error = error.amax(0)
    unit = info.eps * 2.0 ** exact.abs().log2().floor()
    blocks = [
        (slice(top, top + 64), slice(left, left + 64))
        for top in range(0, rows, 64)
        for left in range(0, columns, 64)
    ]

    def rms(tensor):
        return float(tensor.square().mean().sqrt())

    def typical(measure):
        ratios = torch.empty_like(exact)
        for block in blocks:
            ratios[block] = measure(error[block]) / rms(exact[block])
        ratios = ratios.flatten().sort().values
        last = ratios.numel() - 1
        return min(float(ratios[int(0.95 * last)]), 8 * float(ratios[int(0.5 * last)]))

    typical_max, typical_rms = typical(lambda e: float(e.max())), typical(rms)
    wrong = torch.zeros(exact.shape, dtype=torch.bool)
    allowed = torch.empty_like(exact)
    shares = []
    for block in blocks:
        scale = rms(exact[block])
        largest = max(float(error[block].max()), typical_max * scale)
        allowed[block] = max(rms(error[block]), typical_rms * scale)
        off = (found[block].double() - exact[block]).abs()
        wrong[block] = off > multiplier * largest + unit[block]
        budget = multiplier * float(allowed[block].mean()) + rms(unit[block])
        shares.append((rms(off) / budget, rms(off), budget))
    off = rms(found.double() - exact)
    shares.append((off / (multiplier * rms(allowed) + rms(unit)), off, None))
    return wrong, max(shares, key=lambda row: row[0])


@pytest.mark.parametrize("shape", [(100, 130), (64, 64), (3, 500), (257, 65)])
@pytest.mark.parametrize("scale", [1e-3, 2e-6])
def test_rule_is_the_one_that_is_written_down(shape, scale, monkeypatch):
    monkeypatch.setitem(tiles.TILE_ELEMENTS, "cpu", 64 * 128)  # many tiles, and part of one
    exact, off = normal(*shape), torch.randn(shape, generator=torch.Generator().manual_seed(9))
    low, noisy = exact.float(), exact * (1 + 3e-7)
    found = (exact * (1 + scale * off)).float()
    comparison = compare(found, expect(exact, low, noisy), 2.0)
    wrong, (_, rms_error, _) = plain_rule(exact, low, noisy, found, 2.0)
    assert torch.equal(wrong_mask(found, expect(exact, low, noisy), 2.0), wrong)
    assert comparison.wrong_elements == int(wrong.sum())
    assert comparison.rms_error == pytest.approx(rms_error, rel=1e-9)


@pytest.mark.parametrize("what", ["nan", "inf", "low"])
def test_special_values_in_one_tile_do_not_disturb_the_others(what, monkeypatch):
    monkeypatch.setitem(tiles.TILE_ELEMENTS, "cpu", 64 * 64)
    exact = normal(130, 200)
    low = exact.half()
    if what == "low":
        low[70, 70] = torch.inf
    else:
        exact[70, 70] = float(what)
        low = exact.half()
    expected = expectation(exact, torch.float16, low=low)
    assert (expected.low is not None) is not bool(low.isfinite().all())
    assert passes(low, expected)
    found = low.clone()
    found[0, 0] = torch.nan
    comparison = compare(found, expected, 2.0)
    assert comparison.wrong_elements == 1
    assert comparison.worst_index == (0, 0)


def test_disturbance_is_of_the_size_asked_for_and_goes_both_ways():
    exact = normal(100, 30)
    out = torch.empty_like(exact)
    found = disturb(exact.float(), 2.0**-22, torch.Generator().manual_seed(1), out)
    assert found is out
    relative = (out / exact.float().double() - 1) * 2.0**22
    assert set(relative.round().flatten().tolist()) == {-1.0, 1.0}
