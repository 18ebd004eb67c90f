"""A kernel that leaves out keys which normal inputs give no weight: it must not pass.

With the position term a key 77 places late weighs about exp(-77) under normal inputs, so a lost
tile of late keys moves nothing. Under large scores it does.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.demo.stage import TRANSCRIPTS
from runner.contract import Candidate, EvaluationStatus
from runner.errors import SandboxUnavailable
from runner.extract import extract_candidate
from runner.model.transcript import read_transcript
from runner.problem import load_problem
from runner.verifier import Verifier, VerifyOptions

FOLDER = Path(__file__).parents[2] / "problems" / "relative_position_attention"
# Its last answer names the tiles in one line, and is right as it stands.
TRANSCRIPT = TRANSCRIPTS / "relative_position_attention.jsonl"
ALL_TILES = "full = S // BLOCK_N * BLOCK_N"
FIRST_TILE = "full = tl.minimum(S // BLOCK_N * BLOCK_N, BLOCK_N)"


# Seeds at which the rotating distributions alone let the kernel pass.
@pytest.mark.parametrize("seed", [1, 3])
def test_a_kernel_that_loses_a_tile_of_late_keys_is_found_out(seed: int) -> None:
    problem = load_problem(FOLDER)
    answer = read_transcript(TRANSCRIPT)[-1].content
    right = extract_candidate(answer, entry=problem.entry, attempt=1, cut=False)
    assert isinstance(right, Candidate)
    source = right.source
    assert source.count(ALL_TILES) == 1
    try:
        verifier = Verifier(problem, VerifyOptions(seed=seed))
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with verifier:
        evaluation = verifier.verify(Candidate.of(source.replace(ALL_TILES, FIRST_TILE), 1))
    assert evaluation.status is EvaluationStatus.INCORRECT_NUMERICAL
    assert "[large]" in evaluation.summary
