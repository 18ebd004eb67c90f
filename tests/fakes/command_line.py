"""The command line in this process, and the one line that a failure is told in."""

from __future__ import annotations

from typing import Any

from runner import cli


def run(*arguments: object) -> int:
    """The exit code of `python -m runner ARGUMENTS`."""
    return cli.main([str(argument) for argument in arguments])


def one_complaint(capsys: Any) -> str:
    """The single line on stderr; nothing on stdout."""
    captured = capsys.readouterr()
    assert captured.out == ""
    lines: list[str] = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("kernelwright: ")
    return lines[0]
