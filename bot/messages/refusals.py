"""What the bot says where it does not do what it was asked: who may, how much, how to ask. Pure.

Each says what would help. Words of people stand in code, so that they mention and link nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

from bot.commands import COMMANDS, USAGES, CommandName
from bot.config import PATH, AskersConfig, RepositoryConfig
from bot.durations import show_duration
from bot.messages.markdown import clip, code, fence, paragraphs, table
from bot.records import FaultRow

_MEANING: dict[CommandName, str] = {
    "regenerate": "runs the loop again, guided by your words: from the current kernel, or with "
    "`--from scratch` without it; `--budget` is the time that the run may take",
    "cancel": "stops the run; the best kernel so far is still delivered",
    "status": "says how the request stands",
    "verify": "has the pull request's kernel verified again as it is now",
    "help": "shows this",
}
_COLUMNS = ["command", "what it does"]


def refusal_marker(key: str) -> str:
    """Found again by `key`, so that the same refusal is said once in a thread."""
    safe = "".join(char for char in key if char.isalnum() or char in "-_. ")
    return f"<!-- kernelwright:refusal {safe} -->"


def refused(sender: str, config: RepositoryConfig) -> str:
    """For someone who may not ask."""
    roles = ", ".join(code(role, 64) for role in config.who_may_ask.roles)
    who = f"people with one of the roles {roles}" if roles else "the people whom it names"
    if config.who_may_ask.roles == AskersConfig().roles:
        who = "people with write access"
    return (
        f"Thank you, {code(sender)}. A run spends time on the GPU machine and writes a branch, so "
        f"in this repository only {who} may start, change or stop one ({code(PATH)} can say "
        "otherwise). Someone with that access can start a request by adding the label "
        f"{code(config.label)} again, or by a review or a `/regenerate` comment where there is a "
        "pull request."
    )


def cannot_read(sender: str) -> str:
    return f"I answer only people who can read this repository, {code(sender)}."


def cap(whose: Literal["person", "repository"], limit: int, free_at_s: float) -> str:
    """For a day's runs that are used up. `free_at_s` is Unix time, said to the next minute."""
    when = datetime.fromtimestamp(-(-free_at_s // 60) * 60, UTC)
    who = "You have" if whose == "person" else "This repository has"
    runs = "run" if limit == 1 else "runs"
    return (
        f"{who} started {limit} {runs} within 24 hours, which is what {code(PATH)} allows. Nothing "
        f"was started. The next is possible from **{when:%Y-%m-%d %H:%M} UTC** on: ask again then."
    )


def budget_too_long(asked_s: float, max_s: float) -> str:
    return (
        f"A budget of {show_duration(asked_s)} is more than this repository allows: "
        f"{show_duration(max_s)} ({code('budget.max')} in {code(PATH)}). Nothing was started."
    )


def review_without_words() -> str:
    return (
        "This review requests changes, but has neither a text nor an inline comment, so I do not "
        "know what to change. Nothing was started. Say it in a further review, or as "
        "`/regenerate <guidance>`."
    )


def config_faults(rows: Iterable[FaultRow]) -> str:
    """Every fault of the repository's configuration, with its line."""
    listed = list(rows)
    count = "one fault" if len(listed) == 1 else f"{len(listed)} faults"
    cells = [["—" if row.line is None else str(row.line), code(row.message)] for row in listed]
    tables = [table(["line", "what"], cells[i : i + 40]) for i in range(0, len(cells), 40)]
    return clip(
        [
            f"**{code(PATH)} has {count}**, so I do not know how this repository wants its "
            "requests handled, and started nothing. Mend the file on the default branch, then ask "
            "again.",
            *tables,
        ]
    )


def usage(problem: str | None, meant: CommandName | None) -> str:
    """What is wrong with a command and how it is written; all of them where none was meant."""
    if problem is None:
        return commands_table(COMMANDS)
    wrong = problem if meant is None else f"/{meant}: {problem}"
    shown = f"usage: {USAGES[meant]}\n{wrong}" if meant is not None else wrong
    return paragraphs(fence(shown, limit=600), commands_table([meant] if meant else COMMANDS))


def commands_table(names: Sequence[CommandName]) -> str:
    """The commands and what they do."""
    rows = [[code(USAGES[name]), _MEANING[name]] for name in names]
    notes = (
        "A review that requests changes does the same as `/regenerate`, with its inline comments. "
        "Commands stand at the start of a line, outside of quotes and code."
    )
    return paragraphs(table(_COLUMNS, rows), notes if len(names) > 1 else "")
