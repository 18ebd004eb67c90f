"""What a sweep refuses before it begins, each in one sentence, and that it leaves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.command_line import one_complaint, run
from tests.fakes.sweep_runs import arguments, made
from tests.fakes.sweep_suite import Recorded


def replaced(given: tuple[str, ...], name: str, value: str) -> tuple[str, ...]:
    place = given.index(name) + 1
    return (*given[:place], value, *given[place + 1 :])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("--budget", "10m"), "its budget is wall_clock_s 900, not wall_clock_s 600"),
        (("--model", "replay:/else/{problem}.jsonl"), "cannot read the transcript"),
    ],
    ids=["budget", "model"],
)
def test_another_sweep_in_the_same_folder_is_refused(
    few: Recorded, tmp_path: Path, capsys: Any, changed: tuple[str, str], words: str
) -> None:
    given = arguments(few, tmp_path / "out", "--problems", "1")
    assert run(*given) == 0
    capsys.readouterr()
    before = made(tmp_path / "out")
    assert run(*replaced(given, *changed)) == 2
    assert words in one_complaint(capsys)
    assert made(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--problems", "99"), "has no problem 99"),
        (("--problems", "3-2"), "ends before it begins"),
        (("--problems", "all"), "not a whole number"),
        (("--level", "3"), "has no problem of level 3"),
        (("--executor", "ssh"), "invalid choice"),
        (("--model", "replay:answers.jsonl"), "put {problem} into its path"),
        (("--model", "mailbox:box"), "put {problem} into its path"),
        (("--model", "replay:{problem}.jsonl"), "cannot read the transcript"),
    ],
    ids=str,
)
def test_misuse_is_told_and_leaves_nothing(
    few: Recorded, tmp_path: Path, capsys: Any, more: tuple[str, str], words: str
) -> None:
    assert run(*arguments(few, tmp_path / "out", *more)) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_path_that_is_no_suite_is_told(few: Recorded, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "empty").mkdir()
    for path in ("empty", "nowhere"):
        given = arguments(few, tmp_path / "out")
        assert run(given[0], str(tmp_path / path), *given[2:]) == 2
        assert f"{tmp_path / path} is not a suite" in one_complaint(capsys)


def test_a_folder_with_something_else_in_it_is_refused(
    few: Recorded, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    assert run(*arguments(few, tmp_path / "out")) == 2
    assert "is not empty and holds no sweep" in one_complaint(capsys)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
