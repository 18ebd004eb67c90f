"""results.json: older versions are migrated, unknown ones refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.contract import Cost, Environment, Outcome
from runner.errors import ResultsError
from runner.results import AttemptRow, Results, read_results, write_results
from tests.fakes.measured import DIGEST, baseline, measured, timing

PROBLEMS = Path(__file__).parents[2] / "problems"
MACHINE = Environment(
    gpu="NVIDIA H200", driver="580.1", cuda="13.0", torch="2.11.0", triton="3.6.0",
    python="3.12.3", sandbox="bubblewrap", clocks_mhz={"sm": 1980},
)  # fmt: skip


def results(**changes) -> Results:
    rows = (baseline("eager", 2.0), baseline("compile", 1.5))
    best = measured(timing(baselines=rows))
    attempt = AttemptRow(
        index=1, phase="explore", status="PASSED", stage="timing", summary="correct",
        candidate_sha256=DIGEST, kept=True, tokens={}, model_s=1.0, verifier_s=2.0, at_s=60.0,
        ratios={"eager": 2.0, "compile": 1.5},
    )  # fmt: skip
    fields = {
        "problem": "double_it",
        "problem_sha256": DIGEST,
        "outcome": Outcome.IMPROVED,
        "stopped_because": "budget spent",
        "model": "handwritten",
        "generation": 0,
        "best_attempt": 1,
        "evaluation": best,
        "parent": None,
        "environment": MACHINE,
        "cost": Cost(wall_s=100.0, model_s=1.0, verifier_s=2.0),
        "attempts": (attempt,),
    }
    return Results(**{**fields, **changes})


def test_what_is_written_is_read_again() -> None:
    text = write_results(results())
    assert read_results(text) == results()
    assert write_results(read_results(text)) == text


def test_version_1_is_migrated_and_what_it_lacks_stays_unknown() -> None:
    document = json.loads(write_results(results()))
    document["schema_version"] = 1
    for name in ("repository", "issue_number", "request_id"):
        del document[name]
    for row in document["attempts"]:
        del row["at_s"], row["ratios"]
    migrated = read_results(json.dumps(document))
    assert migrated.schema_version == 2
    assert (migrated.issue_number, migrated.attempts[0].at_s) == (None, None)
    assert migrated.evaluation == results().evaluation


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"schema_version": 3}', "schema version 3; this reads 1 and 2"),
        ('{"schema_version": 0}', "schema version 0"),
        ('{"schema_version": true}', "schema version True"),
        ('{"schema_version": "2"}', "schema version '2'"),
        ("{}", "schema version None"),
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"schema_version": 2}', "(schema 2): problem"),
        ('{"schema_version": 1, "problem": "x"}', "(schema 1): problem_sha256"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_version(text: str, said: str) -> None:
    with pytest.raises(ResultsError) as refused:
        read_results(text)
    assert said in str(refused.value)


def test_an_enormous_file_is_not_parsed() -> None:
    with pytest.raises(ResultsError, match="at most"):
        read_results(" " * (9 << 20))


COMMITTED = sorted(PROBLEMS.glob("*/results.json"))


def test_delivered_folders_have_results() -> None:
    kernels = [path.parent for path in PROBLEMS.glob("*/kernel.py")]
    assert sorted(kernels) == [path.parent for path in COMMITTED] != []


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_the_committed_results_are_of_this_version(path: Path) -> None:
    text = path.read_text()
    assert json.loads(text)["schema_version"] == 2
    assert write_results(read_results(text)) == text
