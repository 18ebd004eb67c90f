"""One issue for each kernel that a night found in trouble: opened, kept up to date, closed.

Owns what opens and what closes one. The issue is found by its hidden marker among our own, open or
closed, so that a kernel has one for ever; what stands between two nights is kept in it. A person
who closes it is not overruled while the same trouble lasts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from bot import threads
from bot.errors import GitHubError, GitHubUnavailable
from bot.github_api import GitHub, Issue
from bot.messages import nightly as say
from bot.nightly_records import MAX_LEGS, Kept, NightJob, NightStanding, NightTaken, Trouble
from runner.contract import sha256_hex
from runner.night_record import KernelNight, NightStatus

log = logging.getLogger(__name__)
Connect = Callable[[], GitHub]
LABEL = "kernel-night"
_LABEL_COLOR = "b60205"
_KERNEL = re.compile(r"\A<!-- kernelwright:night ([a-z][a-z0-9_]{0,63}) -->\n")
_STANDING = re.compile(r"^<!-- kernelwright:night-standing (\{.{0,4000}\}) -->$", re.MULTILINE)
_TROUBLES: Mapping[NightStatus, Trouble] = {
    NightStatus.FAILED: "failed",
    NightStatus.REGRESSED: "regressed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One kernel's night: what it is told with."""

    job: NightJob
    login: str
    kernel: str
    rows: tuple[KernelNight, ...]
    taken: NightTaken

    @property
    def marker(self) -> str:
        """Of a comment that this night makes, once."""
        return f"<!-- kernelwright:night-news {self.job.run_id}-{self.job.attempt} -->"


def by_kernel(rows: Sequence[KernelNight]) -> dict[str, tuple[KernelNight, ...]]:
    """Each kernel's rows, one for each leg."""
    found: dict[str, tuple[KernelNight, ...]] = {}
    for row in rows:
        found[row.kernel] = (*found.get(row.kernel, ()), row)
    return found


def is_trouble(rows: Sequence[KernelNight]) -> bool:
    """Whether a kernel without an issue needs one."""
    return any(row.status in _TROUBLES for row in rows)


def find(github: GitHub, login: str) -> dict[str, Issue]:
    """The issue of each kernel that ever had one. The oldest counts where there are two."""
    found: dict[str, Issue] = {}
    for issue in github.issues_of(login):
        match = _KERNEL.match(issue.body.replace("\r\n", "\n"))
        if match and (match[1] not in found or issue.number < found[match[1]].number):
            found[match[1]] = issue
    return found


def legs_after(before: Mapping[str, Trouble], rows: Sequence[KernelNight]) -> dict[str, Trouble]:
    """The legs in trouble after a night: only a verdict changes what is known of a leg.

    'passed' ends any trouble. A correct kernel without a verdict on speed ends a failure alone.
    """
    legs = dict(before)
    for row in rows:
        trouble = _TROUBLES.get(row.status)
        if trouble is not None:
            if row.leg in legs or len(legs) < MAX_LEGS:
                legs[row.leg] = trouble
        elif row.status is NightStatus.PASSED or (
            row.status is NightStatus.NOT_COMPARABLE and legs.get(row.leg) == "failed"
        ):
            legs.pop(row.leg, None)
    return legs


def keep(github: GitHub, telling: Telling) -> Kept:
    """Bring the kernel's issue up to date with the night; open, reopen or close it."""
    issue = find(github, telling.login).get(telling.kernel)
    before = _standing(issue)
    if (before.run_id, before.attempt) > telling.job.key:
        return Kept()  # a later night has been told already
    legs = legs_after(before.legs, telling.rows)
    run_id = telling.job.run_id
    after = NightStanding(
        run_id=run_id,
        attempt=telling.job.attempt,
        since_run_id=before.since_run_id if before.legs else run_id,
        legs=legs,
    )
    news = say.News(
        kernel=telling.kernel,
        before=before,
        after=after,
        rows=telling.rows,
        run_url=telling.taken.run_url,
        folder=telling.taken.folder,
    )
    if issue is None:
        if not legs or not _is_the_kernel(github, telling):
            return Kept()
        github.ensure_label(LABEL, _LABEL_COLOR, say.LABEL_DESCRIPTION)
        number = github.create_issue(say.title(news), say.body(news), LABEL)
        return Kept(number=number, finding=say.finding(news))
    return _update(github, telling, issue, news)


def _update(github: GitHub, telling: Telling, issue: Issue, news: say.News) -> Kept:
    before, after = news.before.legs, news.after.legs
    if not after and not before:
        return Kept(number=issue.number)  # well before, and well now
    if after and not before and not _is_the_kernel(github, telling):
        return Kept(number=issue.number)
    # Closed although in trouble: by a person, whose word holds until the kernel was well again.
    is_muted = bool(before) and not issue.is_open
    is_open = bool(after) and not is_muted
    # A further leg is in the issue's text; who reads along is told what kind of trouble it is.
    if _kind(after) != _kind(before) and not is_muted:
        comment = f"{telling.marker}\n{say.change(news)}"
        threads.ensure_comment(github, issue.number, comment, telling.login)
    github.edit_issue(issue.number, say.title(news), say.body(news), is_open=is_open)
    # Kept in the issue, so that a step that repeats itself finds the same.
    is_new = is_open and news.after.since_run_id == news.after.run_id
    return Kept(number=issue.number, finding=say.finding(news) if is_new else "")


def _kind(legs: Mapping[str, Trouble]) -> Trouble | None:
    """The worst of a kernel's troubles."""
    return "failed" if "failed" in legs.values() else next(iter(legs.values()), None)


def _is_the_kernel(github: GitHub, telling: Telling) -> bool:
    """Whether the trouble is about the kernel that the default branch has now."""
    path = f"{telling.taken.folder}/{telling.kernel}/kernel.py"
    try:
        data = github.read_bytes(path)
    except GitHubUnavailable:
        raise
    except GitHubError as error:
        log.warning("%s cannot be read: %s", path, error)
        return False
    digests = {row.kernel_sha256 for row in telling.rows if row.status in _TROUBLES}
    if data is None or sha256_hex(data) not in digests:
        log.warning("no issue for %s: the night is about another kernel", telling.kernel)
        return False
    return True


def _standing(issue: Issue | None) -> NightStanding:
    """What the issue keeps; as if nothing were known where somebody edited that away."""
    match = _STANDING.search(issue.body.replace("\r\n", "\n")) if issue else None
    if match is None:
        return NightStanding()
    try:
        return NightStanding.model_validate_json(match[1])
    except ValidationError:
        return NightStanding()
