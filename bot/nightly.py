"""The durable workflow of one night: its artifact is checked, kept, and told where that matters.

Owns the order: history first, so that what is told can be looked up, then one issue a kernel. Steps
run at least once; each looks before it creates. A night that cannot be believed changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from bot import nightly_artifact, nightly_history, nightly_issues
from bot.config import RepositoryConfig
from bot.config_file import fetch_config
from bot.errors import UserError
from bot.github_api import GitHub
from bot.handlers import NIGHTLY_PATH
from bot.nightly_records import Kept, NightJob, NightTaken
from bot.records import Delivery, Start
from bot.steps import StepCrashed, Steps
from bot.tools import Tools

Accept = Callable[[Delivery], None]
log = logging.getLogger(__name__)
NIGHT_STEPS = ("clock", "read_night", "append_history", "find_night_issues", "keep_night_issue")
# A broken machine fails every kernel at once. What is left over is in trouble the next night too.
MAX_OPENED = 20
_EVENTS = frozenset({"schedule", "workflow_dispatch"})


def take_night(steps: Steps, tools: Tools, job: NightJob, accept: Accept) -> None:
    """Carry one night to its end. Nobody waits for an answer: what fails is in the log.

    `accept` keeps a delivery of the night's own: a round that begins by itself.
    """
    try:
        _take(steps, tools, job, accept)
    except (UserError, StepCrashed):
        log.exception("the night of run %d ended by a step that failed", job.run_id)


def _take(steps: Steps, tools: Tools, job: NightJob, accept: Accept) -> None:
    def github() -> GitHub:
        return tools.github(job.repository, job.installation_id)

    at_s = steps.run("clock", tools.now_s, float)
    taken = steps.run("read_night", lambda: _read(github(), job, at_s), NightTaken)
    if not taken.rows:
        return
    steps.do("append_history", lambda: nightly_history.append(github(), job, taken.rows))
    open_kernels = steps.run(
        "find_night_issues",
        lambda: sorted(nightly_issues.find(github(), tools.login)),
        list[str],
    )
    opened = 0
    for kernel, rows in sorted(nightly_issues.by_kernel(taken.rows).items()):
        is_known = kernel in open_kernels
        if not is_known and not nightly_issues.is_trouble(rows):
            continue
        if not is_known and opened >= MAX_OPENED:
            log.warning("run %d: no issue for %s tonight: too many", job.run_id, kernel)
            continue
        opened += not is_known
        telling = nightly_issues.Telling(
            job=job, login=tools.login, kernel=kernel, rows=rows, taken=taken
        )
        kept = _keep(steps, github, telling)
        if taken.regenerate and kept.number is not None and kept.finding:
            accept(_round(telling, kept.number, kept.finding))


def _keep(steps: Steps, github: nightly_issues.Connect, telling: nightly_issues.Telling) -> Kept:
    try:
        return steps.run("keep_night_issue", lambda: nightly_issues.keep(github(), telling), Kept)
    except (UserError, StepCrashed):
        # One kernel's issue must not cost the others theirs.
        log.exception("the issue of %s could not be kept", telling.kernel)
        return Kept()


def _round(telling: nightly_issues.Telling, number: int, finding: str) -> Delivery:
    """A round from the merged kernel. The gate asks the configuration again, at its time."""
    job = telling.job
    start = Start(
        issue_number=number,
        sender=telling.login,
        label=telling.taken.label,
        merged=telling.kernel,
        finding=finding,
    )
    return Delivery(
        delivery_id=f"night-{job.run_id}-{number}",
        repository=job.repository,
        installation_id=job.installation_id,
        decision=start,
    )


def _read(github: GitHub, job: NightJob, at_s: float) -> NightTaken:
    """The rows of a run of the default branch's own nightly workflow; none of any other run."""
    run = github.run(job.run_id)
    is_ours = (run.path, run.branch) == (NIGHTLY_PATH, github.default_branch())
    if not is_ours or run.event not in _EVENTS or run.status != "completed":
        log.warning("run %d is no night: %s of %s, %s", run.id, run.path, run.branch, run.event)
        return NightTaken()
    config = fetch_config(github).config or RepositoryConfig()
    rows = nightly_artifact.read_night(github, job, at_s)
    return NightTaken(
        rows=rows,
        run_url=run.url,
        folder=config.problems_folder,
        label=config.label,
        regenerate=config.nightly.regenerate,
    )
