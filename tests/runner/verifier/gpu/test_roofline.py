"""The arithmetic of floors and shares, with a roofline made up for the purpose."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from runner.contract import Roofline
from runner.verifier.gpu import roofline
from runner.verifier.gpu.roofline import floor_ms, measure_roofline, share_of

ROOF = Roofline(
    copy_gb_per_s=4000.0,
    matmul_tflop_per_s={"float16": 800.0},
    l2_bytes=50 << 20,
    multiprocessors=132,
)


def test_the_floor_counts_what_the_cache_cannot_hold_of_the_output():
    four_gb = 4 * 10**9
    assert floor_ms(four_gb, 0, ROOF) == pytest.approx(1 / 1.1)
    assert floor_ms(0, 50 << 20, ROOF) == 0
    assert floor_ms(0, (50 << 20) + four_gb, ROOF) == pytest.approx(1 / 1.1)


@pytest.mark.parametrize(
    ("flops", "dtype", "bound"),
    [
        (None, "float16", "memory"),
        (10**9, "float16", "memory"),
        (10**13, "float16", "arithmetic"),
        (10**13, "int32", "memory"),  # no product of that type was measured
    ],
)
def test_the_nearer_roof_is_named(flops, dtype, bound):
    share, found = share_of(4 * 10**9, flops, dtype, 2.0, ROOF)
    assert found == bound
    assert share == pytest.approx(0.5 if bound == "memory" else 10**13 / 800e12 * 1e3 / 2)


def test_a_gpu_is_measured_alone_and_what_is_known_waits_for_nobody(monkeypatch):
    told = []

    @contextmanager
    def alone():
        told.append("alone")
        yield
        told.append("let go")

    def measure(device):
        told.append(device)
        return ROOF

    monkeypatch.setattr(roofline, "_known", {})
    monkeypatch.setattr(roofline, "_measure", measure)
    assert measure_roofline(3, alone) is ROOF
    assert measure_roofline(3, alone) is ROOF
    assert told == ["alone", 3, "let go"]


@pytest.mark.gpu
def test_the_measured_roofline_is_that_of_a_gpu():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    roof = measure_roofline()
    assert roof.copy_gb_per_s > 100
    assert roof.matmul_tflop_per_s["float16"] > 2 * roof.matmul_tflop_per_s["float32"]
