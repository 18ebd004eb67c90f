"""Every hostile kernel works: on a careless harness it passes, looks fast, or takes it down."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.adversarial.corpus import HONEST_FOLDER, Kernel, hostile_kernels, load_kernel, problem_of
from tests.adversarial.naive_harness import HANGS_AFTER_S, PATIENCE_S, NaiveHarness, NaiveVerdict

ON_CPU = [kernel for kernel in hostile_kernels() if not kernel.needs_gpu]
ON_GPU = [kernel for kernel in hostile_kernels() if kernel.needs_gpu]


def by_name(kernel: Kernel) -> str:
    return kernel.name


def judge(harness: NaiveHarness, kernel: Kernel) -> NaiveVerdict:
    patience_s = HANGS_AFTER_S if kernel.naive == "hangs" else PATIENCE_S
    return harness.judge(kernel.path, problem_of(kernel), patience_s=patience_s)


def assert_the_cheat_works(kernel: Kernel, verdict: NaiveVerdict) -> None:
    wanted = "passes" if kernel.naive == "faster" else kernel.naive
    assert verdict.outcome == wanted, verdict.output
    assert verdict.faster or kernel.naive != "faster", verdict.output


@pytest.mark.parametrize("kernel", ON_CPU, ids=by_name)
def test_cheat_works_on_a_careless_harness(kernel, naive_harness):
    assert_the_cheat_works(kernel, judge(naive_harness, kernel))


@pytest.mark.parametrize("kernel", ON_GPU, ids=by_name)
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_cheat_works_on_a_careless_harness_with_a_gpu(kernel, naive_harness_on_gpu):
    assert_the_cheat_works(kernel, judge(naive_harness_on_gpu, kernel))


def test_careless_harness_tells_an_honest_kernel_from_a_wrong_one(naive_harness, tmp_path):
    relu = load_kernel(HONEST_FOLDER / "out_argument.py")
    honest = judge(naive_harness, relu)
    assert honest.outcome == "passes", honest.output
    # An interpreted kernel is slower than a library: only a cheat looks fast here.
    assert not honest.faster
    wrong = tmp_path / "wrong.py"
    wrong.write_text(relu.path.read_text().replace("tl.maximum(x, 0.0)", "tl.maximum(x, 0.5)"))
    verdict = naive_harness.judge(Path(wrong), problem_of(relu))
    assert verdict.outcome == "fails", verdict.output
