"""The labels that show a request's state on its issue.

Owns their names and that an issue carries one of them at most. They are for people and for the
reconciler; nothing starts because of one.
"""

from __future__ import annotations

from typing import Literal

from bot.config import STATE_PREFIX
from bot.github_api import GitHub

Shown = Literal["running", "done", "failed", "invalid"]
_COLOURS: dict[Shown, tuple[str, str]] = {
    "running": ("fbca04", "This kernel request is under way"),
    "done": ("0e8a16", "This kernel request has a pull request"),
    "failed": ("b60205", "The last run of this kernel request gave no kernel"),
    "invalid": ("d93f0b", "The spec of this kernel request has faults"),
}
NAMES: dict[Shown, str] = {shown: f"{STATE_PREFIX}{shown}" for shown in _COLOURS}
STATE_LABELS = frozenset(NAMES.values())


def show(github: GitHub, number: int, shown: Shown | None) -> None:
    """Make the state label of issue `number` the one for `shown`; None for no such label."""
    wanted = NAMES[shown] if shown is not None else None
    present = STATE_LABELS.intersection(github.issue(number).labels)
    # First the new one: a crash between the two leaves one too many, which the repetition removes.
    if shown is not None and wanted is not None and wanted not in present:
        github.ensure_label(wanted, *_COLOURS[shown])
        github.add_label(number, wanted)
    for name in sorted(present - {wanted}):
        github.remove_label(number, name)
