"""Journals of sweeps as rows: a folder with whatever came of each problem, without a run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.contract import Attempt, Budget, Evaluation, Outcome, TokenUsage, sha256_hex
from runner.extract import code_blocks
from runner.journal import AttemptFinished, Event, FinalVerdict, RunEnded, RunStarted
from runner.suites.kernelbench import ProblemFile
from runner.sweep.folder import SweepFolder
from runner.sweep.plan import Plan, PlannedProblem, run_name
from tests.fakes.kernel_folders import GPU
from tests.fakes.measured import baseline, measured, timing
from tests.fakes.suites_looking import problem_of
from tests.fakes.sweep_suite import kernel, reference

BUDGET = Budget(wall_clock_s=900.0)
ANSWER = "Here.\n\n```python\n{source}```\n"


@dataclass(frozen=True, kw_only=True)
class Told:
    """One problem. `passed_at_s`: when each passing attempt came; `finals`: what each then got.

    `ratios`: baseline → ratio of the final verdict; None: the verdict was not timed.
    """

    key: str
    level: int | None = None
    name: str = "relu"
    title: str = ""
    passed_at_s: tuple[float, ...] = ()
    finals: tuple[bool, ...] = ()
    ratios: dict[str, float] | None = field(default_factory=dict)
    ended: bool = True
    gpu: str | None = "NVIDIA H200"
    failure: str | None = None


def tell(out: Path, *rows: Told) -> tuple[SweepFolder, Plan]:
    """The folder of a sweep in which this happened."""
    out.mkdir(parents=True)
    folder = SweepFolder(out)
    problems = tuple(
        PlannedProblem(
            key=row.key,
            title=row.title or row.key,
            level=row.level,
            family="",
            run=run_name(row.key),
        )
        for row in rows
    )
    plan = Plan(suite="told", kind="kernelbench", model="by hand", budget=BUDGET, problems=problems)
    folder.write_plan(plan)
    for row in rows:
        _write(folder, row)
    return folder, plan


def _write(folder: SweepFolder, row: Told) -> None:
    run = run_name(row.key)
    if row.failure is not None:
        folder.failure(run).write_text(row.failure + "\n")
        return
    folder.run(run).mkdir()
    folder.problem(run).mkdir()
    file = ProblemFile(path=Path(f"1_{row.name}.py"), level=row.level, number=1, title=row.name)
    problem = problem_of(file, reference(row.name))
    (folder.problem(run) / "problem.toml").write_text(problem.toml_text)
    (folder.problem(run) / "reference.py").write_text(problem.reference_text)
    sources = [f"# {n}\n{kernel(row.name)}" for n in range(1, len(row.passed_at_s) + 1)]
    answers = [ANSWER.format(source=source) for source in sources]
    events = _events(row, [next(iter(code_blocks(answer))).text for answer in answers])
    folder.journal(run).write_text("".join(f"{e.model_dump_json()}\n" for e in events))
    lines: list[dict[str, Any]] = [
        {"generation": 0, "attempt": n, "model": "by hand", "content": answer}
        for n, answer in enumerate(answers, start=1)
    ]
    folder.transcript(run).write_text("".join(json.dumps(line) + "\n" for line in lines))


def _events(row: Told, sources: list[str]) -> list[Event]:
    events: list[Event] = [
        RunStarted(
            at_s=0.0,
            time="2026-03-01T00:00:00+00:00",
            problem=row.name,
            problem_sha256="a" * 64,
            request_id=None,
            generation=0,
            model="by hand",
            budget=BUDGET,
            environment=GPU.model_copy(update={"gpu": row.gpu}),
            parent_sha256=None,
        )
    ]
    verdicts = [_verdict(source, row.ratios) for source in sources]
    for n, (at_s, verdict) in enumerate(zip(row.passed_at_s, verdicts, strict=True), start=1):
        attempt = Attempt(
            index=n,
            phase="explore",
            evaluation=verdict,
            tokens=TokenUsage(),
            model_s=1.0,
            verifier_s=1.0,
            kept=True,
        )
        events.append(AttemptFinished(at_s=at_s, attempt=attempt))
    if not row.ended:
        return events
    best = None
    # As the final verdict goes about it: the best first, here the latest.
    for n, stands in zip(range(len(verdicts), 0, -1), row.finals, strict=False):
        verdict = verdicts[n - 1] if stands else _refuted(verdicts[n - 1])
        events.append(FinalVerdict(at_s=800.0, attempt=n, evaluation=verdict))
        best = n if stands else None
    kept = best or (len(verdicts) if verdicts and not row.finals else None)
    outcome = Outcome.CORRECT if kept else Outcome.UNSOLVED
    end = RunEnded(at_s=801.0, outcome=outcome, best_attempt=kept, stopped_because="the end")
    return [*events, end]


def _verdict(source: str, ratios: dict[str, float] | None) -> Evaluation:
    if ratios is None:
        untimed = measured(candidate_sha256=sha256_hex(source))
        return untimed.model_copy(update={"performance": None})
    rows = tuple(
        baseline(name, ratio, spread=min(0.1, ratio / 2)) for name, ratio in ratios.items()
    )
    return measured(timing(baselines=rows), candidate_sha256=sha256_hex(source))


def _refuted(verdict: Evaluation) -> Evaluation:
    return Evaluation(
        status="INCORRECT_NUMERICAL",
        candidate_sha256=verdict.candidate_sha256,
        device="cuda",
        stage="sweep",
        summary="wrong under another seed",
    )
