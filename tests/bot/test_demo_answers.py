"""The demo's recorded answers: well-formed, and the last one keeps what its review asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.demo.reviews import REVIEWS
from bot.demo.stage import TRANSCRIPTS
from runner.contract import Candidate, TokenUsage
from runner.extract import extract_candidate
from runner.model.transcript import read_transcript
from runner.problem import load_problem

PROBLEMS = Path(__file__).parents[2] / "problems"
NAMES = sorted(REVIEWS)
# Normal inputs give results below 16, where float16 rounds by 1/256 at most.
MAX_ERROR = 1 / 256


def last_kernel(name: str) -> str:
    """The source of the kernel in the last answer."""
    last = read_transcript(TRANSCRIPTS / f"{name}.jsonl")[-1]
    entry = load_problem(PROBLEMS / name).entry
    candidate = extract_candidate(last.content, entry=entry, attempt=1, cut=False)
    assert isinstance(candidate, Candidate)
    return candidate.source


@pytest.fixture(scope="module", params=NAMES)
def calls(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What `interpreted_calls.py` says of the last kernel of each problem."""
    # A process of its own: triton fixes interpreter or compiler when it is first imported.
    script = Path(__file__).with_name("interpreted_calls.py")
    name: str = request.param
    kernel = tmp_path_factory.mktemp(name) / "kernel.py"
    kernel.write_text(last_kernel(name), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script, kernel, PROBLEMS / name / "reference.py", name],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_four_attempts_and_two_more_after_the_review(name: str) -> None:
    entries = read_transcript(TRANSCRIPTS / f"{name}.jsonl")
    wanted = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2)]
    assert [(entry.generation, entry.attempt) for entry in entries] == wanted
    assert {entry.model for entry in entries} == {"handwritten"}
    assert all(entry.reasoning for entry in entries)
    # Nobody counted tokens, so no figure stands there.
    assert all(entry.usage == TokenUsage() for entry in entries)


def test_refuses_what_it_cannot_handle_with_a_value_error(calls: dict[str, Any]) -> None:
    assert len(calls["refused"]) >= 5
    accepted = [name for name, message in calls["refused"].items() if not message]
    assert accepted == []


def test_handles_views_and_sizes_between_the_workloads(calls: dict[str, Any]) -> None:
    assert len(calls["errors"]) >= 4
    assert {name: e for name, e in calls["errors"].items() if not e <= MAX_ERROR} == {}


def test_attention_masks_only_the_peeled_tile() -> None:
    source = last_kernel("relative_position_attention")
    loop, tail = source[source.index("for start in range(") :].split("if HAS_TAIL:")
    assert "PARTIAL=False" in loop
    assert "PARTIAL=True" not in loop
    assert "PARTIAL=True" in tail
