"""A tune on a real GPU: configurations compiled by real workers, timed, frozen, judged again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from runner.contract import Candidate, EvaluationStatus
from runner.problem import load_problem
from runner.verifier import Verifier, VerifyOptions

PROBLEMS = Path(__file__).parents[3] / "bench" / "problems"

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]


@pytest.fixture(scope="module")
def softmax():
    folder = PROBLEMS / "row_softmax_tuned"
    options = VerifyOptions(device="cuda", allow_no_sandbox=True)
    with Verifier(load_problem(folder), options) as verifier:
        yield verifier, (folder / "kernel.py").read_text()


def test_the_frozen_kernel_passes_and_is_no_slower(softmax):
    verifier, source = softmax
    tuned = verifier.tune(Candidate.of(source, 1), 90.0)
    assert tuned.tried == 50
    assert tuned.timed >= 2
    assert tuned.gain >= 1.0
    before, after = verifier.verify(Candidate.of(source, 1)), verifier.verify(tuned.candidate)
    assert after.status is EvaluationStatus.PASSED, after.detail
    pairs = zip(before.performance.timings, after.performance.timings, strict=True)
    assert all(late.median_ms < 1.05 * early.median_ms for early, late in pairs)


def test_what_cannot_run_is_dropped_and_the_rest_is_timed(softmax):
    verifier, source = softmax
    lists = '"MAX_BLOCK": [1024, 2048, 4096, 8192, 16384],'
    source = source.replace(lists, '"MAX_BLOCK": [1024, 1000, 16384],')
    source = source.replace('"num_warps": [1, 2, 4, 8, 16],', '"num_warps": [4, 3],')
    tuned = verifier.tune(Candidate.of(source, 1), 60.0)
    assert tuned.dropped >= 6  # whatever has a block or a number of warps that is no power of two
    assert 2 <= tuned.timed <= 4
    # The source stays as it is, lists and all, where nothing is faster than the default.
    assert tuned.config["MAX_BLOCK"] in {1024, 16384}
    assert tuned.config["num_warps"] == 4


def test_a_tune_leaves_nothing_behind_for_a_verdict(softmax):
    verifier, source = softmax
    known = set(verifier._court._tools.reports)
    free = torch.cuda.mem_get_info()[0]
    verifier.tune(Candidate.of(source.replace("MAX_BLOCK", "BIGGEST"), 1), 30.0)
    assert set(verifier._court._tools.reports) == known
    assert torch.cuda.mem_get_info()[0] > free - (1 << 30)


def test_no_time_is_no_tune(softmax):
    verifier, source = softmax
    tuned = verifier.tune(Candidate.of(source, 1), 0.5)
    assert tuned.candidate.source == source
    assert tuned.timed == 0
