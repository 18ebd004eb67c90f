"""`kernelwright doctor` on the command line: arguments, what is printed, the exit code.

Owns stdout: a line for each finding as it comes, or one JSON object and nothing else.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from bot.doctor.examination import Examination
from bot.doctor.finding import Finding, State
from bot.errors import GitHubUnavailable, SettingsError
from bot.github_api.inspection import Inspector
from bot.settings import load_settings

FINE, FAULTY, NOT_EXAMINED = 0, 1, 2
_SIGNS: dict[State, str] = {
    "ok": "\N{CHECK MARK}",
    "note": "!",
    "unseen": "?",
    "failed": "\N{BALLOT X}",
}
_SETTINGS_REMEDY = "kernelwright setup writes them to a file; --env-file FILE reads it"


def run(argv: Sequence[str]) -> int:
    """Examine, and print every finding as soon as it is known."""
    options = _parser().parse_args(argv)
    # What GitHub refuses becomes a finding; PyGithub would say it a second time, on stderr.
    logging.getLogger("github").setLevel(logging.CRITICAL)
    found: list[Finding] = []
    was_examined = True
    try:
        for finding in _findings(options):
            found.append(finding)
            if not options.json:
                _print(finding, is_new=len(found) < 2 or found[-2].subject != finding.subject)
    except (SettingsError, GitHubUnavailable) as error:
        was_examined = False
        found.append(_not_examined(error))
        if not options.json:
            _print(found[-1], is_new=True)
    code = _exit_code(found, was_examined=was_examined)
    if options.json:
        document = {"exit_code": code, "findings": [asdict(finding) for finding in found]}
        json.dump(document, sys.stdout)
        sys.stdout.write("\n")
    else:
        print(f"\n{_summary(found)}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kernelwright doctor",
        description="Check the App, its webhook and its repositories. Reads only. Exit code 0: "
        "nothing is at fault, 1: something is, 2: it could not be examined.",
    )
    parser.add_argument(
        "--env-file", type=Path, metavar="FILE", help="settings, as kernelwright setup writes them"
    )
    parser.add_argument(
        "--repository",
        action="append",
        default=[],
        metavar="OWNER/NAME",
        help="look at this one only; may be repeated (all that the App is installed on)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def _findings(options: argparse.Namespace) -> Iterator[Finding]:
    settings = load_settings(options.env_file)
    inspector = Inspector(settings)
    yield _settings(options.env_file)
    examination = Examination(
        settings=settings, inspector=inspector, only=tuple(options.repository)
    )
    yield from examination.findings()


def _settings(env_file: Path | None) -> Finding:
    """The settings are complete and the key is one; who else can read them?"""
    if env_file is None:
        return Finding(subject="settings", name="settings", state="ok", detail="complete")
    others = env_file.stat().st_mode & 0o077
    if others:
        return Finding(
            subject="settings",
            name="settings",
            state="note",
            detail=f"{env_file} holds the App's key, and others on this machine can read it",
            remedy=f"chmod 600 {env_file}",
        )
    return Finding(subject="settings", name="settings", state="ok", detail=str(env_file))


def _not_examined(error: SettingsError | GitHubUnavailable) -> Finding:
    is_settings = isinstance(error, SettingsError)
    return Finding(
        subject="settings" if is_settings else "app",
        name="settings" if is_settings else "GitHub",
        state="failed",
        detail=" ".join(str(error).split()),
        remedy=_SETTINGS_REMEDY
        if is_settings
        else "check KERNELWRIGHT_GITHUB_API_URL, the network and any proxy on the way",
    )


def _exit_code(found: Sequence[Finding], *, was_examined: bool) -> int:
    if not was_examined:
        return NOT_EXAMINED
    return FAULTY if any(finding.state == "failed" for finding in found) else FINE


def _print(finding: Finding, *, is_new: bool) -> None:
    if is_new:
        print(finding.subject, flush=True)
    detail = " ".join(finding.detail.split())
    print(f"  {_SIGNS[finding.state]} {finding.name}: {detail}", flush=True)
    if finding.remedy:
        print(f"    → {' '.join(finding.remedy.split())}", flush=True)


def _summary(found: Sequence[Finding]) -> str:
    counts = {state: sum(each.state == state for each in found) for state in _SIGNS}
    return (
        f"{counts['ok']} in order, {counts['note']} to know, {counts['unseen']} not to be seen, "
        f"{counts['failed']} at fault"
    )
