"""Slash commands in comments: what each takes, and what is wrong with one that cannot be read.

Pure. `comment_lines` says where a command may stand; this module reads the line that does.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal, get_args

from bot.comment_lines import spoken_lines
from bot.durations import parse_duration_s
from bot.plain_text import plain_text

CommandName = Literal["regenerate", "cancel", "status", "verify", "help"]
StartFrom = Literal["best", "scratch"]
COMMANDS: tuple[CommandName, ...] = get_args(CommandName)
STARTS: tuple[StartFrom, ...] = get_args(StartFrom)
USAGES: dict[CommandName, str] = {
    "regenerate": "/regenerate [guidance] [--budget 30m] [--from best|scratch]",
    "cancel": "/cancel",
    "status": "/status",
    "verify": "/verify",
    "help": "/help",
}
MAX_GUIDANCE_CHARS = 8_000
# What other bots call the same thing.
_OTHER_WORDS: dict[str, CommandName] = {
    "abort": "cancel",
    "check": "verify",
    "redo": "regenerate",
    "rerun": "regenerate",
    "retry": "regenerate",
    "stop": "cancel",
    "usage": "help",
}
_OPTIONS = ("--budget", "--from")
_COMMAND = re.compile(r"/([a-z][a-z0-9-]{0,59})(?:[ \t]+(.*))?", re.IGNORECASE)
_WORD = re.compile(r"\S+")
# Telephones write two hyphens as one dash.
_DASHES = re.compile(r"^[\u2012-\u2015]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that can be carried out. Only `regenerate` has more than a name.

    `guidance` goes on to the end of the comment. `budget_s` is None where it was not given.
    """

    name: CommandName
    guidance: str = ""
    budget_s: float | None = None
    start: StartFrom = "best"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFault:
    """A command that cannot be carried out. `problem` quotes the comment: not yet safe to show.

    `meant` is the command whose usage helps; None where not even that is clear.
    """

    problem: str
    meant: CommandName | None


@dataclass(slots=True)
class _Options:
    """What was read of a command's line so far."""

    words: list[str]
    given: dict[str, str]


def parse_command(text: str) -> Command | CommandFault | None:
    """The first command of a comment; None where it has none, such as for the path `/usr/bin`."""
    if "/" not in text:
        return None
    lines = text.replace("\r\n", "\n").split("\n")
    for index in spoken_lines(lines):
        found = _COMMAND.fullmatch(lines[index].rstrip())
        if found:
            return _read(found[1].lower(), (found[2] or "").strip(), lines[index + 1 :])
    return None


def _read(word: str, rest: str, below: list[str]) -> Command | CommandFault:
    name = next((known for known in COMMANDS if known == word), None)
    if name is None:
        close = _near(word, COMMANDS)
        near = _OTHER_WORDS.get(word) or next((one for one in COMMANDS if one in close), None)
        return CommandFault(problem=f"unknown command /{word}{_hint(near, '/')}", meant=near)
    if name == "regenerate":
        return _read_regenerate(rest, below)
    # Who asks for help must not be corrected first.
    if rest and name != "help":
        return CommandFault(problem=f"/{name} takes no arguments, found: {rest[:80]}", meant=name)
    return Command(name=name)


def _read_regenerate(rest: str, below: list[str]) -> Command | CommandFault:
    try:
        options = _read_options(rest)
        budget = options.given.get("--budget")
        budget_s = _budget_s(budget) if budget is not None else None
        start = _start(options.given.get("--from", "best"))
    except ValueError as error:
        return CommandFault(problem=str(error), meant="regenerate")
    said = "\n".join([" ".join(options.words), *below])
    return Command(
        name="regenerate",
        guidance=plain_text(said, MAX_GUIDANCE_CHARS),
        budget_s=budget_s,
        start=start,
    )


def _read_options(rest: str) -> _Options:
    """The options and the words of the command's line. Raises ValueError with what is wrong."""
    read = _Options(words=[], given={})
    words = iter(list(_WORD.finditer(rest)))
    for match in words:
        word = match[0]
        if word == "--":  # as in any shell: what follows is not read for options
            read.words.append(rest[match.end() :].strip())
            break
        dashed = _DASHES.sub("--", word)
        option, equals, value = dashed.partition("=")
        if option not in _OPTIONS:
            if word.startswith("--"):
                raise ValueError(_unknown_option(option))
            read.words.append(word)
            continue
        if not equals:
            after = next(words, None)
            value = after[0] if after is not None else ""
        if not value or value.startswith("--"):
            raise ValueError(f"option {option} needs a value")
        if option in read.given:
            raise ValueError(f"option {option} is given twice")
        read.given[option] = value
    return read


def _unknown_option(option: str) -> str:
    near = _near(option, _OPTIONS)
    hint = _hint(near[0] if near else None)
    return (
        f"unknown option {option[:60]}{hint} "
        "(words that start with -- can stand after a lone -- or on the next line)"
    )


def _budget_s(text: str) -> float:
    try:
        return parse_duration_s(text.lower())
    except ValueError as error:
        raise ValueError(f"option --budget: {text[:60]} {error}") from error


def _start(text: str) -> StartFrom:
    for start in STARTS:
        if text.lower() == start:
            return start
    near = _near(text.lower(), STARTS)
    raise ValueError(
        f"option --from: {text[:60]} is neither best nor scratch{_hint(near[0] if near else None)}"
    )


def _near(word: str, known: tuple[str, ...]) -> list[str]:
    return difflib.get_close_matches(word, known, n=1, cutoff=0.6)


def _hint(near: str | None, prefix: str = "") -> str:
    return f"; did you mean {prefix}{near}?" if near else ""
