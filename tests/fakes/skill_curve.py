"""A simulated model that gets better with every attempt, and the verdicts on its kernels.

Owns the curve: what attempt N answers, and what a judge finds. Everything follows from the
attempt's number, so that runs of any order can be compared.
"""

from __future__ import annotations

import re
import time
from typing import Any

from runner.contract import Candidate, Evaluation, TokenUsage
from runner.model import Answer, Prompt
from tests.fakes.model_script import Ask, Reply

THINKING = "First the bytes, then the tiles. " * 20


def source_of(attempt: int) -> str:
    """The kernel of an attempt; every one is different."""
    return f'"""Attempt {attempt}."""\n\n\ndef double_it(x):\n    return x.number_{attempt}\n'


def skill(ask: Ask) -> Reply:
    """The answer to an attempt: thinking, a word, and a kernel."""
    return answer_to(ask.attempt)


def answer_to(attempt: int) -> Reply:
    """The answer to an attempt by its number."""
    content = f"CHANGE: number {attempt}\n\n```python\n{source_of(attempt)}```\n"
    return Reply(content=content, reasoning=THINKING)


def spills_of(attempt: int) -> int | None:
    """How good the kernel of an attempt is (fewer are better); None where it does not pass."""
    if attempt % 3 == 1:
        return None
    return (attempt * 37) % 101 + 4


def best_of(attempts: set[int]) -> int | None:
    """The attempt that a run with these attempts has to deliver."""
    passing = {n: spills for n in attempts if (spills := spills_of(n)) is not None}
    return min(passing, key=passing.__getitem__, default=None)


class CurveJudge:
    """Judges by the number in the source, and takes `seconds` for it."""

    def __init__(self, make_evaluation: Any, *, seconds: float = 0.0) -> None:
        self._make_evaluation = make_evaluation
        self._seconds = seconds
        self.candidates: list[Candidate] = []

    def verify(self, candidate: Candidate) -> Evaluation:
        self.candidates.append(candidate)
        time.sleep(self._seconds)
        match = re.search(r"number_(\d+)", candidate.source)
        spills = spills_of(int(match[1])) if match else None
        status = "INCORRECT_NUMERICAL" if spills is None else "PASSED"
        evaluation: Evaluation = self._make_evaluation(status, candidate, spills=spills or 0)
        return evaluation

    def finalize(self, candidate: Candidate) -> Evaluation:
        return self.verify(candidate)

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        return (float(evaluation.resources[0].spill_bytes),)


class CurveModel:
    """The same answers in this process, at once. Keeps the prompts."""

    name = "curve"

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []

    async def answer(self, prompt: Prompt, progress: object = None) -> Answer:
        self.prompts.append(prompt)
        reply = answer_to(prompt.attempt)
        return Answer(
            model=self.name,
            content=reply.content,
            reasoning=reply.reasoning,
            tokens=TokenUsage(prompt_tokens=10, completion_tokens=20),
        )

    async def close(self) -> None:
        """Nothing is held."""
