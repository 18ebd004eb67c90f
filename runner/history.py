"""What a run knows so far, told by its events: attempts, lines of work, the best, what it spent.

Owns that state. The same calls build it while the run goes on and when it is resumed; nothing here
waits, writes or decides what to do next.
"""

from __future__ import annotations

from dataclasses import replace

from runner.contract import Evaluation, EvaluationStatus
from runner.fingerprint import fingerprint
from runner.journal import AnswerReceived, PromptSent, TuneFinished
from runner.keep import Rank, is_better
from runner.search import View, WorkLine
from runner.task import Task
from runner.tried import Tried

# Where an endpoint does not count, a limit on tokens must still end the run: R1's tokenizer makes
# between 3 and 4 characters of code and English into a token, so this counts rather too many.
CHARS_PER_TOKEN = 3


class History:
    """The state of one run. `rank` orders kernels that passed: smaller is better."""

    def __init__(self, task: Task, rank: Rank) -> None:
        self._review = task.parent is not None
        self._rank = rank
        self._rows: dict[int, Tried] = {}
        self._line_of: dict[int, int] = {}  # attempt → line
        self._lines: dict[int, list[Tried]] = {}
        self._at_work: dict[int, int] = {}  # stream → line
        self._openings = 0
        self._last_attempt = 0
        self.waiting: dict[int, PromptSent] = {}  # asked, and not finished
        self.known: dict[str, int] = {}  # fingerprint → the attempt that was verified
        self.tuned: set[int] = set()  # attempts whose kernels have been tuned
        self.models: dict[str, None] = {}
        self.tokens = 0
        self.best: Tried | None = None
        if task.parent is not None:
            self.known[fingerprint(task.parent.source)] = 0

    @property
    def tried(self) -> tuple[Tried, ...]:
        """Every finished attempt, by number. Numbers of questions without an answer are missing."""
        return tuple(self._rows[index] for index in sorted(self._rows))

    @property
    def asked_attempts(self) -> int:
        """Attempts that a model was asked for: finished ones and those under way."""
        finished = sum(row.attempt.phase != "tune" for row in self._rows.values())
        return finished + len(self.waiting)

    def number_attempt(self) -> int:
        """The next attempt's number, from 1. No number is given out twice."""
        self._last_attempt += 1
        return self._last_attempt

    def evaluation_of(self, attempt: int) -> Evaluation | None:
        """The verdict on an attempt, once it is finished."""
        row = self._rows.get(attempt)
        return None if row is None else row.attempt.evaluation

    def row(self, attempt: int) -> Tried:
        """A finished attempt. Raises KeyError."""
        return self._rows[attempt]

    def asked(self, sent: PromptSent) -> None:
        """A question went out."""
        self._last_attempt = max(self._last_attempt, sent.attempt)
        self.waiting[sent.attempt] = sent
        self._line_of[sent.attempt] = sent.line
        self._at_work[sent.stream] = sent.line
        if sent.line not in self._lines:
            self._lines[sent.line] = [] if sent.base is None else [self._rows[sent.base]]
            self._openings += sent.base is None

    def given_up(self, attempt: int) -> None:
        """A question will get no answer."""
        self.waiting.pop(attempt, None)

    def answered(self, event: AnswerReceived) -> None:
        """An answer came: it has been paid for."""
        self.models[event.model] = None
        asked, given = event.tokens.prompt_tokens, event.tokens.completion_tokens
        if asked is None:
            asked = len(self.waiting[event.attempt].text) // CHARS_PER_TOKEN
        if given is None:
            given = (event.content_chars + event.reasoning_chars) // CHARS_PER_TOKEN
        self.tokens += asked + given

    def tune_finished(self, event: TuneFinished) -> None:
        """A kernel has been tuned; what came of it belongs to the same line."""
        self.tuned.add(event.of)
        if event.attempt is None:
            self._note_not_tuned(event)
            return
        self._last_attempt = max(self._last_attempt, event.attempt)
        self._line_of[event.attempt] = self._line_of[event.of]

    def _note_not_tuned(self, event: TuneFinished) -> None:
        """Where the model reads what it changed, it reads why nothing came of the tuning."""
        before = self._rows[event.of]
        told = f"not tuned: {event.note}"
        after = replace(before, change=f"{before.change}; {told}" if before.change else told)
        self._rows[event.of] = after
        for rows in self._lines.values():
            rows[:] = [after if row is before else row for row in rows]
        if self.best is before:
            self.best = after

    def finished(self, tried: Tried) -> None:
        """An attempt has its verdict."""
        index = tried.attempt.index
        self._rows[index] = tried
        self._lines[self._line_of[index]].append(tried)
        self.waiting.pop(index, None)
        if tried.candidate is not None and tried.repeats is None:
            self.known.setdefault(fingerprint(tried.candidate.source), index)
        if tried.attempt.kept:
            self.best = tried

    def is_better(self, evaluation: Evaluation) -> bool:
        """Whether a new kernel becomes the best so far."""
        if evaluation.status is not EvaluationStatus.PASSED:
            return False
        if self.best is None:
            return True
        return is_better(evaluation, self.best.attempt.evaluation, self._rank)

    def view(self) -> View:
        """What the policy looks at."""
        return View(
            review=self._review,
            lines={number: self._work_line(number) for number in self._lines},
            at_work=dict(self._at_work),
            openings=self._openings,
            best=self.best,
            rank=self._rank,
        )

    def _work_line(self, number: int) -> WorkLine:
        rows = tuple(self._lines[number])
        best: Tried | None = None
        for row in rows:
            if not row.passed or row.repeats is not None:
                continue
            now = row.attempt.evaluation
            if best is None or is_better(now, best.attempt.evaluation, self._rank):
                best = row
        return WorkLine(number=number, rows=rows, best=best)
