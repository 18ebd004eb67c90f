"""The fused passes find what the eager tiles find, block by block, odd values included.

Run by `test_fused` in a process of its own: Triton decides at its import whether it interprets.
"""

from __future__ import annotations

import pytest
import torch

from runner.verifier import comparison, numerics
from runner.verifier.comparison import compare
from runner.verifier.numerics import expect

CUDA = torch.cuda.is_available()
NAN, INF = float("nan"), float("inf")


@pytest.fixture
def use_fused(monkeypatch):
    """Every output takes the fused way, whatever its size and wherever it lies, or none does."""

    def use(on: bool) -> None:
        for user in (numerics, comparison):
            monkeypatch.setattr(user, "fused_pays", lambda like: on)

    return use


def made(shape, dtype, *, magnitudes=(-40, 30), odd=()):
    """(exact, low, noisy, found) as a verdict meets them; `odd` are put where found and low are."""
    device = "cuda" if CUDA else "cpu"
    generator = torch.Generator().manual_seed(0)
    exact = torch.randn(shape, generator=generator, dtype=torch.float64)
    exact *= 10.0 ** torch.randint(*magnitudes, shape, generator=generator)
    if dtype is torch.float16:
        exact = exact.clamp(-6e4, 6e4)
    noise = 1 + 2.0**-20 * torch.randn(shape, generator=generator, dtype=torch.float64)
    found = (exact * noise).to(dtype)
    low = exact.to(dtype)
    for place, value in enumerate(odd):
        low.view(-1)[place * 97] = value
        found.view(-1)[place * 97] = value
        exact.view(-1)[place * 97] = value
    return [tensor.to(device) for tensor in (exact, low, exact * noise, found)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ("shape", "odd"),
    [
        ((64, 64), ()),
        ((3, 70, 130), ()),
        ((1,), ()),
        ((), ()),
        ((130, 1), ()),
        ((5, 200), (NAN, INF, -INF)),
    ],
)
def test_expectation_and_comparison_are_those_of_the_eager_tiles(use_fused, dtype, shape, odd):
    exact, low, noisy, found = made(shape, dtype, odd=odd)
    rows = []
    for on in (False, True):
        use_fused(on)
        expected = expect(exact, low, noisy)
        rows.append((expected, compare(found, expected, 2.0)))
    (eager, first), (quick, second) = rows
    for name in ("honest_max", "honest_rms", "unit_rms", "floor"):
        torch.testing.assert_close(getattr(quick, name), getattr(eager, name), rtol=1e-12, atol=0)
    assert (quick.low is None) == (eager.low is None)
    assert first.wrong_elements == second.wrong_elements
    assert first.worst_index == second.worst_index
    assert first.passed == second.passed
    assert second.max_error == pytest.approx(first.max_error, rel=1e-12)
    assert second.rms_error == pytest.approx(first.rms_error, rel=1e-12)


@pytest.mark.parametrize(
    ("place", "value"), [((0, 0), NAN), ((69, 129), INF), ((64, 3), 1e30), ((3, 128), 0.0)]
)
def test_one_wrong_element_is_found_wherever_it_is(use_fused, place, value):
    exact, low, noisy, found = made((70, 130), torch.float32, magnitudes=(0, 1))
    use_fused(True)
    expected = expect(exact, low, noisy)
    assert compare(found, expected, 2.0).passed
    found[place] = value
    wrong = compare(found, expected, 2.0)
    assert not wrong.passed
    assert wrong.wrong_elements == 1
    assert wrong.worst_index == place
