"""One repository: can a request be filed there, and would its run start.

Owns the comparison of its files with this version's, and the search for a runner. A thing that the
App may not see is said to be unseen, never guessed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from bot.config import PATH as CONFIG
from bot.config_file import fetch_config
from bot.doctor.finding import Finding, State
from bot.doctor.shipped import FILES, FORM, GENERATE, NIGHTLY, shipped
from bot.errors import GitHubError, GitHubUnavailable, NotFound
from bot.github_api import GitHub
from bot.github_api.inspection import Inspector, InstallationFacts, RepositoryFacts, RunnerFacts
from bot.records import ConfigRead

_RUNS_ON = re.compile(r"^\s+runs-on:\s*(?P<labels>[^#\n]+)", re.MULTILINE)
_DEFAULT_LABELS = frozenset({"gpu"})
# The labels that `fromJSON(inputs.runner || '["gpu"]')` falls back to.
_FALLBACK = re.compile(r"'(?P<json>\[[^']*\])'")
_RUNNER_REMEDY = (
    "start a runner with these labels (Settings, Actions, Runners); a fleet that scales to zero "
    "shows none while it is idle"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A repository, and how it is looked at."""

    inspector: Inspector
    installation: InstallationFacts
    repository: RepositoryFacts

    @property
    def name(self) -> str:
        return self.repository.full_name

    def found(self, name: str, state: State, detail: str, remedy: str = "") -> Finding:
        return Finding(subject=self.name, name=name, state=state, detail=detail, remedy=remedy)

    @property
    def github(self) -> GitHub:
        return self.inspector.repository(self.name, self.installation.id)

    def read(self, path: str) -> str | None:
        return self.github.read_file(path, self.repository.default_branch)


def examine(at: Examined) -> Iterator[Finding]:
    """Everything about one repository. Raises GitHubUnavailable."""
    yield _open(at)
    read = fetch_config(at.github)
    if read.faults:
        yield _bad_configuration(at, read)
    else:
        yield at.found(CONFIG, "ok", "read, or absent: the defaults hold")
    yield _label(at, read.label)
    own = {path: at.read(path) for path in FILES}
    for path in FILES:
        yield _file(at, path, own[path])
        if path != FORM and own[path] is not None:
            yield _enabled(at, path.rsplit("/", 1)[1])
    asked = read.config.runner_labels if read.config else ()
    wanted = frozenset(label.lower() for label in asked) or runs_on(own[GENERATE] or "")
    yield _runner(at, wanted)


def _open(at: Examined) -> Finding:
    if at.repository.is_archived:
        remedy = f"unarchive it: {at.repository.html_url}/settings"
        return at.found("repository", "failed", "archived: nothing can be written to it", remedy)
    if not at.repository.has_issues:
        remedy = f"turn issues on: {at.repository.html_url}/settings"
        return at.found("repository", "failed", "has no issues: nobody can file a request", remedy)
    return at.found("repository", "ok", f"default branch {at.repository.default_branch}")


def _bad_configuration(at: Examined, read: ConfigRead) -> Finding:
    told = "; ".join(
        f"line {fault.line}: {fault.message}" if fault.line else fault.message
        for fault in read.faults
    )
    remedy = f"correct {CONFIG} on {at.repository.default_branch}: until then requests are refused"
    return at.found(CONFIG, "failed", told, remedy)


def _label(at: Examined, label: str) -> Finding:
    if at.inspector.has_label(at.installation, at.name, label):
        return at.found("label", "ok", label)
    return at.found(
        "label",
        "failed",
        f"there is no {label}, and GitHub drops it from the form without a word",
        f"gh label create {shlex.quote(label)} --repo {at.name}, "
        f"or {at.repository.html_url}/labels",
    )


def _file(at: Examined, path: str, text: str | None) -> Finding:
    branch = at.repository.default_branch
    if text is None:
        remedy = f"copy this version's {path} to {branch}"
        if path == NIGHTLY:
            return at.found(path, "note", "missing: nobody looks at merged kernels again", remedy)
        return at.found(path, "failed", f"missing on {branch}", remedy)
    ours = shipped(path)
    if _lines(text) == _lines(ours):
        return at.found(path, "ok", f"this version's, on {branch}")
    changed = len(set(_lines(text)) ^ set(_lines(ours)))
    detail = f"differs from this version's ({changed} lines are in one of them only)"
    remedy = f"compare it with this version's {path}; keep the difference if it is yours"
    return at.found(path, "note", detail, remedy)


def _enabled(at: Examined, file: str) -> Finding:
    name = f"{file} enabled"
    try:
        state = at.inspector.workflow_state(at.installation, at.name, file)
    except NotFound:
        remedy = f"push a commit that changes {file} to the default branch, and enable Actions"
        return at.found(name, "failed", "GitHub does not know the workflow yet", remedy)
    if state == "active":
        return at.found(name, "ok", state)
    remedy = f"gh workflow enable {file} --repo {at.name}"
    return at.found(name, "failed", state.replace("_", " "), remedy)


def _runner(at: Examined, wanted: frozenset[str]) -> Finding:
    """A runner that is online and has all of these labels."""
    told = ", ".join(sorted(wanted))
    seen: list[RunnerFacts] = []
    unseen: list[str] = []
    try:
        seen += at.inspector.repository_runners(at.installation, at.name)
    except GitHubUnavailable:
        raise
    except GitHubError:
        unseen.append("the repository's (Administration: read)")
    if at.installation.is_organization:
        try:
            seen += at.inspector.organization_runners(at.installation)
        except GitHubUnavailable:
            raise
        except GitHubError:
            unseen.append("the organisation's (Self-hosted runners: read)")
    fitting = [each for each in seen if wanted <= each.labels]
    online = [each.name for each in fitting if each.is_online]
    if online:
        return at.found("runner", "ok", f"online with {told}: {', '.join(online)}")
    if unseen:
        detail = f"the App may not see {' and '.join(unseen)} runners"
        remedy = f"look by hand: {at.repository.html_url}/settings/actions/runners"
        return at.found("runner", "unseen", detail, remedy)
    offline = f"; offline: {', '.join(each.name for each in fitting)}" if fitting else ""
    return at.found("runner", "failed", f"none online with {told}{offline}", _RUNNER_REMEDY)


def runs_on(workflow: str) -> frozenset[str]:
    """The labels that the workflow's job asks for; `gpu` where they cannot be told."""
    match = _RUNS_ON.search(workflow)
    if match is None:
        return _DEFAULT_LABELS
    text = match["labels"].strip()
    if "${{" in text:
        fallback = _FALLBACK.search(text)
        if fallback is None:
            return _DEFAULT_LABELS
        text = fallback["json"]
    labels = text.strip("[]").split(",")
    return frozenset(label.strip().strip("\"'").lower() for label in labels)


def _lines(text: str) -> list[str]:
    # A checkout on Windows may have committed CRLF, and an editor a last empty line.
    return text.rstrip().splitlines()
