"""The demo's command line: what is set up, in which order it ends, and the exit code."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from bot.demo.display import Display
from bot.demo.reviews import REVIEWS
from bot.demo.stage import (
    REPOSITORY,
    DemoFault,
    Problem,
    check_extras,
    checkout,
    clean_folder,
    read_problem,
    repository_files,
    sandbox_fault,
)
from bot.demo.whole_page import whole_page

if TYPE_CHECKING:
    # For the types only: importing the stand-in must wait until `check_extras` has looked.
    from bot.demo.outcome import Outcome
    from bot.demo.story import Story
    from bot.standin.job import RunnerCommand

_TAIL_LINES = 25
_WIDTH = 110  # of the output where there is no terminal to ask
_FAILED, _MISUSE, _INTERRUPTED = 1, 2, 130


def run(argv: Sequence[str], runner_command: RunnerCommand = None) -> int:
    """Parse the arguments and tell the story; see `bot.demo.main` for the exit code.

    `runner_command` stands in for the run of the real loop, in tests.
    """
    options = _parser().parse_args(argv)
    width = None if sys.stdout.isatty() else _WIDTH
    display = Display(Console(highlight=False, soft_wrap=False, width=width))
    out = Path(options.out)
    try:
        root = checkout()
        check_extras()
        problem = read_problem(root, options.problem)
        clean_folder(out)
        stage = _Stage(root=root, out=out.resolve(), problem=problem, command=runner_command)
        with _ended_by_sigterm():
            return _tell(display, stage, keep=options.keep)
    except DemoFault as error:
        print(f"kernelwright demo: {error}", file=sys.stderr)
        return _MISUSE
    except KeyboardInterrupt:
        display.say("\ninterrupted", style="bold")
        return _INTERRUPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """Where the story is told, and what is asked for."""

    root: Path
    out: Path
    problem: Problem
    command: RunnerCommand


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an interrupt, so that the bot and the run are ended with the demo."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot demo",
        description="The whole path on this machine: an issue, a pull request, a review, a second "
        "commit. GitHub is a stand-in, the model's answers are a shipped transcript; the rest is "
        "the real thing.",
    )
    parser.add_argument("--keep", action="store_true", help="leave the pages served until Ctrl-C")
    parser.add_argument("--out", default=".demo", help="folder for what comes of it (%(default)s)")
    parser.add_argument(
        "--problem",
        choices=sorted(REVIEWS),
        default="relative_position_attention",
        help="the problem to ask for (%(default)s)",
    )
    return parser


def _tell(display: Display, stage: _Stage, *, keep: bool) -> int:
    from bot.demo.service import Service, ServiceFailed
    from bot.demo.story import Story
    from bot.demo.watch import Watcher
    from bot.standin import StandIn

    started_s = time.monotonic()
    display.step("A stand-in GitHub and the real bot start on this machine")
    variables = _variables(display, stage.problem)
    with ExitStack() as stack:
        standin = stack.enter_context(StandIn(stage.out / "standin", runner_command=stage.command))
        repository = standin.create_repository(
            REPOSITORY,
            files=repository_files(stage.root),
            variables=variables,
            bare_path=stage.out / "repo.git",
        )
        service = Service(standin, stage.root, stage.out / "bot")
        try:
            stack.enter_context(service)
        except ServiceFailed as error:
            return _fail(display, str(error), [service.log_file])
        standin.webhook_url = f"{service.url}/webhook"
        repository.variables["KERNELWRIGHT_PROGRESS_URL"] = f"{service.url}/progress"
        display.event("note", f"stand-in GitHub at {standin.base_url}, bot at {service.url}")
        story = Story(
            standin=standin,
            repository=repository,
            service=service,
            display=display,
            watcher=Watcher(standin=standin, repository=repository, display=display),
            problem=stage.problem,
            review=REVIEWS[stage.problem.slug],
            seconds={"start": time.monotonic() - started_s},
        )
        code = _play(display, stage, story, started_s)
        if keep and code == 0:
            display.say(f"\nThe pages stay at {standin.base_url} until Ctrl-C.", style="bold")
            _wait_for_interrupt()
        return code


def _play(display: Display, stage: _Stage, story: Story, started_s: float) -> int:
    """Tell the story, write down what came of it and show it."""
    from bot.demo.story import StepFailed

    standin, out = story.standin, stage.out
    try:
        outcome = story.tell()
    except StepFailed as error:
        logs = [run.log_file for run in story.repository.runs if run.log_file is not None]
        return _fail(display, str(error), [story.service.log_file, *logs[-1:]])
    story.seconds["total"] = time.monotonic() - started_s
    outcome.write(out / "result.json", story.seconds)
    page_url = f"{standin.base_url}/{REPOSITORY}/pull/{outcome.pull_issue.number}"
    (out / "pull_request.html").write_text(whole_page(page_url), encoding="utf-8")
    _show(display, out, outcome, story.seconds["total"])
    if standin.violations:
        reasons = "; ".join(standin.violations)
        return _fail(display, f"requests that GitHub would refuse: {reasons}", [])
    return 0


def _variables(display: Display, problem: Problem) -> dict[str, str]:
    """The variables of the repository's Actions: the model, and the sandbox's absence if so."""
    variables = {"KERNELWRIGHT_MODEL": f"replay:{problem.transcript}"}
    fault = sandbox_fault()
    if fault is not None:
        display.event(
            "note",
            f"{fault}: the shipped transcript runs without a sandbox, and the pull request says "
            "so (to install it: apt-get install bubblewrap)",
        )
        variables["KERNELWRIGHT_ALLOW_NO_SANDBOX"] = "1"
    return variables


def _show(display: Display, out: Path, outcome: Outcome, total_s: float) -> None:
    """The pull request as a reviewer reads it, and where to find the rest."""
    from bot.demo.watch import PROGRESS, plain

    pull, issue = outcome.pull, outcome.pull_issue
    display.page(
        f"{issue.title}  #{issue.number}",
        f"{issue.user.login} wants to merge {len(outcome.commits)} commits into {pull.base_ref} "
        f"from {pull.head_ref}",
        plain(issue.body or ""),
    )
    for review in pull.reviews:
        display.said(f"{review.user.login} requested changes", review.body or "")
    for comment in issue.comments:
        if not comment.body.startswith(PROGRESS):
            display.said(f"{comment.user.login} commented", plain(comment.body))
    display.listing("Commits", [f"{sha[:7]}  {outcome.subjects[sha]}" for sha in outcome.commits])
    display.listing("Files", outcome.files)
    verdicts = [", ".join(statuses) for statuses in outcome.statuses]
    display.listing("Attempts", [f"round {n}: {line}" for n, line in enumerate(verdicts, 1)])
    shown = out.relative_to(Path.cwd()) if out.is_relative_to(Path.cwd()) else out
    display.step(f"Done in {total_s:.0f} s")
    display.say(f"the page:    {shown / 'pull_request.html'}")
    display.say(f"the facts:   {shown / 'result.json'}")
    display.say(f"the commits: git --git-dir {shown / 'repo.git'} log {pull.head_ref}")


def _fail(display: Display, reason: str, logs: Sequence[Path]) -> int:
    for log in logs:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        display.tail(f"the last lines of {log}", lines[-_TAIL_LINES:])
    display.say(f"\nThe demo failed: {reason}", style="bold red")
    return _FAILED


def _wait_for_interrupt() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
