"""Whether a pull request's claims hold on a clean machine: rules, and the check that says so."""

from __future__ import annotations

from typing import Any

import pytest

from bot.claims import Committed, all_hold, check_claims
from bot.messages.claims import MAX_CHECK_CHARS, claims_summary, claims_title
from bot.records import VerifyJob
from runner.contract import BaselineTiming, EvaluationStatus, sha256_hex
from runner.kernel_facts import with_facts
from runner.results import write_results
from tests.fakes.measured import measured, timing
from tests.runner.test_results import MACHINE, results

KERNEL = '"""Twice."""\n'
JOB = VerifyJob(
    request_id="kw-0123456789abcdef", repository="octo/kernels", installation_id=1, pull_number=8,
    problem="problems/double_it", head_sha="a" * 40, sender="mona",
)  # fmt: skip


def against(ratio: float, spread: float = 0.02, name: str = "compile") -> BaselineTiming:
    return BaselineTiming(
        name=name, median_ms=ratio, ratio=ratio, ratio_low=ratio - spread, ratio_high=ratio + spread
    )


def verdict(*baselines: BaselineTiming, **changes: Any) -> Any:
    fields = {"candidate_sha256": sha256_hex(KERNEL), **changes}
    return measured(timing(baselines=baselines), **fields)


def committed(**changes: str | None) -> Committed:
    """A folder whose results claim 1.31 against torch.compile and 2.0 against eager."""
    recorded = results(
        problem_sha256=sha256_hex("spec\0reference"),
        evaluation=verdict(against(1.31), against(2.0, name="eager")),
    )
    texts: dict[str, str | None] = {
        "results": write_results(recorded),
        "kernel": with_facts(KERNEL, "Speed: 1.31x"),
        "problem_toml": "spec",
        "reference": "reference",
    }
    return Committed(**{**texts, **changes})


def found(claims: Any) -> dict[str, bool | None]:
    return {claim.what: claim.holds for claim in claims}


@pytest.mark.parametrize(
    ("again", "holds"),
    [
        pytest.param(against(1.31), True, id="the same"),
        pytest.param(against(1.29), True, id="a little less"),
        pytest.param(against(1.6), True, id="better"),
        pytest.param(against(1.18, 0.01), False, id="clearly less"),
        pytest.param(against(1.25, 0.3), False, id="too noisy to be called faster"),
        pytest.param(against(0.9), False, id="slower"),
    ],
)
def test_a_ratio_holds_where_it_is_found_again(again: BaselineTiming, holds: bool) -> None:
    claims = check_claims(committed(), verdict(again, against(2.0, name="eager")), MACHINE)
    assert found(claims)["vs compile, N=65536"] is holds
    assert found(claims)["vs eager, N=65536"] is True
    assert all_hold(claims) is holds


def test_a_claim_of_no_win_needs_none() -> None:
    recorded = results(
        evaluation=verdict(against(1.0)), problem_sha256=sha256_hex("spec\0reference")
    )
    claims = check_claims(
        committed(results=write_results(recorded)), verdict(against(1.005)), MACHINE
    )
    assert all_hold(claims)
    slower = check_claims(
        committed(results=write_results(recorded)), verdict(against(0.9, 0.01)), MACHINE
    )
    assert not all_hold(slower)


@pytest.mark.parametrize("gpu", ["NVIDIA H100 80GB HBM3", None])
def test_another_gpu_gives_no_verdict_on_speed_and_says_so(gpu: str | None) -> None:
    machine = MACHINE.model_copy(update={"gpu": gpu})
    again = verdict(against(0.5)) if gpu else verdict(device="cpu", performance=None)
    claims = check_claims(committed(), again, machine)
    assert found(claims)["speed"] is None
    assert found(claims)["correct"] is True
    assert all_hold(claims)
    text = claims_summary(JOB, "https://github.example/run", again, claims)
    assert "no verdict on speed" in text
    assert "H200" in text
    assert claims_title(True, claims) == "verified again: passed; no verdict on speed"


@pytest.mark.parametrize(
    ("changes", "refuted"),
    [
        ({"kernel": KERNEL + "x = 1\n"}, "kernel.py is the kernel of the results"),
        ({"kernel": None}, "kernel.py is the kernel of the results"),
        ({"reference": "edited"}, "problem.toml and reference.py are those of the results"),
        ({"results": None}, "results.json"),
        ({"results": '{"schema_version": 99}'}, "results.json"),
    ],
    ids=["kernel edited", "no kernel", "reference edited", "no results", "unknown schema"],
)
def test_results_about_something_else_are_refuted(changes: Any, refuted: str) -> None:
    claims = check_claims(committed(**changes), verdict(against(1.31)), MACHINE)
    assert found(claims)[refuted] is False
    assert not all_hold(claims)
    if "99" in str(changes):
        summary = claims_summary(JOB, "https://github.example/run", verdict(against(1.3)), claims)
        assert "schema version 99" in summary


def test_a_wrong_kernel_refutes_correctness_and_leaves_speed_open() -> None:
    wrong = verdict(against(1.31)).model_copy(
        update={"status": EvaluationStatus.INCORRECT_NUMERICAL, "performance": None}
    )
    claims = check_claims(committed(), wrong, MACHINE)
    assert (found(claims)["correct"], found(claims)["speed"]) == (False, None)
    assert claims_title(False, claims) == "verified again: did not pass"


def test_a_ratio_that_was_not_timed_again_has_no_verdict() -> None:
    claims = check_claims(committed(), verdict(against(1.31)), MACHINE)
    assert found(claims)["vs eager, N=65536"] is None


def test_the_check_shows_the_figures_side_by_side_and_fits() -> None:
    again = verdict(against(1.18, 0.01), against(2.0, name="eager"), summary="x" * 100_000)
    claims = check_claims(committed(), again, MACHINE)
    text = claims_summary(JOB, "https://github.example/run", again, claims * 500)
    assert "| `1.310 [1.290, 1.330], faster` | `1.180 [1.170, 1.190], faster` |" in text
    assert "❌ does not hold" in text
    assert len(text) <= MAX_CHECK_CHARS
    assert claims_title(True, claims) == "verified again: correct, but 1 of 5 claims do not hold"


def test_without_a_verdict_nothing_is_compared() -> None:
    assert check_claims(committed(), None, MACHINE) == ()
