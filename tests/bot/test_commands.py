"""Slash commands: what each takes, and what is said of one that cannot be read."""

from __future__ import annotations

import time

import pytest

from bot.commands import COMMANDS, MAX_GUIDANCE_CHARS, Command, CommandFault, parse_command


@pytest.mark.parametrize(
    ("body", "name", "guidance"),
    [
        ("/help", "help", ""),
        ("/help me please", "help", ""),
        ("/cancel", "cancel", ""),
        ("/status  ", "status", ""),
        ("/verify\n\nthe rest is talk", "verify", ""),
        ("/regenerate", "regenerate", ""),
        ("/regenerate use fewer registers", "regenerate", "use fewer registers"),
        ("/Regenerate now", "regenerate", "now"),
        ("/regenerate\nfirst\n\nsecond", "regenerate", "first\n\nsecond"),
        ("/regenerate first\r\nsecond\r\n", "regenerate", "first\nsecond"),
        ("Thanks!\n\n/regenerate more", "regenerate", "more"),
        ("/regenerate a\n/help", "regenerate", "a\n/help"),
        ("`code` here\n/help", "help", ""),
    ],
)
def test_the_first_command_and_its_guidance(body: str, name: str, guidance: str) -> None:
    command = parse_command(body)
    assert isinstance(command, Command)
    assert (command.name, command.guidance) == (name, guidance)
    assert (command.budget_s, command.start) == (None, "best")


@pytest.mark.parametrize(
    ("line", "guidance", "budget_s", "start"),
    [
        ("--budget 30m", "", 1800, "best"),
        ("--budget=1h30m fewer registers", "fewer registers", 5400, "best"),
        ("fewer registers --budget 90s", "fewer registers", 90, "best"),
        ("fewer --from scratch registers", "fewer registers", None, "scratch"),
        ("--from BEST --budget 30M now", "now", 1800, "best"),
        ("-- --budget 30m", "--budget 30m", None, "best"),
        ("--from scratch -- try --num-warps 8", "try --num-warps 8", None, "scratch"),
        ("try `--num-warps 8`", "try `--num-warps 8`", None, "best"),
        ("a - b", "a - b", None, "best"),
        ("a -2 b", "a -2 b", None, "best"),
        # What telephones make of two hyphens.
        ("—budget 30m", "", 1800, "best"),
        ("first — then second", "first — then second", None, "best"),
    ],
)
def test_options_stand_anywhere_on_the_commands_line(
    line: str, guidance: str, budget_s: float | None, start: str
) -> None:
    command = parse_command(f"/regenerate {line}")
    assert isinstance(command, Command)
    assert (command.guidance, command.budget_s, command.start) == (guidance, budget_s, start)


def test_a_later_line_is_guidance_whatever_it_looks_like() -> None:
    command = parse_command("/regenerate --budget 30m\n--from scratch\n  --x  y")
    assert isinstance(command, Command)
    assert command.guidance == "--from scratch\n  --x  y"
    assert command.start == "best"


@pytest.mark.parametrize(
    ("body", "meant", "words"),
    [
        ("/frobnicate it", None, "unknown command /frobnicate"),
        ("/regenrate", "regenerate", "did you mean /regenerate?"),
        ("/stat", "status", "did you mean /status?"),
        ("/cancle", "cancel", "did you mean /cancel?"),
        ("/stop", "cancel", "unknown command /stop; did you mean /cancel?"),
        ("/retry faster", "regenerate", "did you mean /regenerate?"),
        ("/cancel it now", "cancel", "/cancel takes no arguments, found: it now"),
        ("/verify --budget 30m", "verify", "takes no arguments"),
        ("/regenerate --budgte 30m", "regenerate", "--budgte; did you mean --budget?"),
        ("/regenerate --num-warps 8", "regenerate", "can stand after a lone --"),
        ("/regenerate --budget", "regenerate", "--budget needs a value"),
        ("/regenerate --budget= x", "regenerate", "--budget needs a value"),
        ("/regenerate --budget --from best", "regenerate", "--budget needs a value"),
        ("/regenerate --budget 30", "regenerate", "has no unit: write 30m"),
        ("/regenerate --budget soon", "regenerate", "soon is not a time"),
        ("/regenerate --budget 7h", "regenerate", "from 1m to 6h"),
        ("/regenerate --budget 5m --budget 6m", "regenerate", "--budget is given twice"),
        ("/regenerate --from scrach", "regenerate", "did you mean scratch?"),
        ("/regenerate --from main", "regenerate", "neither best nor scratch"),
    ],
)
def test_nonsense_is_met_with_what_is_wrong(body: str, meant: str | None, words: str) -> None:
    fault = parse_command(body)
    assert isinstance(fault, CommandFault)
    assert fault.meant == meant
    assert words in fault.problem


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_known(name: str) -> None:
    assert parse_command(f"/{name}") == Command(name=name)  # type: ignore[arg-type]


def test_characters_that_nobody_sees_are_not_passed_on() -> None:
    command = parse_command("/regenerate a\x00b\x1b[2J \u202ereversed\u2069\n\tc\u200bd \ud800é🌋")
    assert isinstance(command, Command)
    assert command.guidance == "ab[2J reversed\n\tcd é🌋"


@pytest.mark.parametrize(
    "body",
    [
        "/regenerate " + "x" * 65_524,
        "/regenerate\n" + "- a\n" * 16_380,
        "> " * 32_000 + "\n\n/regenerate",
        "- " * 32_000 + "\n/regenerate",
        "-    " * 13_000 + "~\n/regenerate",
        "`" * 65_000 + "\n/regenerate",
        "/regenerate " + "--" * 32_000,
        "<!--" * 16_000,
        "\n" * 65_000 + "/regenerate",
        "/" + "a" * 65_535,
    ],
    ids=range(10),
)
def test_a_comment_of_githubs_full_length_is_read_at_once(body: str) -> None:
    started_s = time.process_time()
    command = parse_command(body)
    # Read while GitHub waits; another service may share this core.
    assert time.process_time() - started_s < 0.25
    if isinstance(command, Command):
        assert len(command.guidance) <= MAX_GUIDANCE_CHARS
    if isinstance(command, CommandFault):
        assert len(command.problem) < 300
