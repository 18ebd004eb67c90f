"""A site as the command writes it, from folders and nights that a test lays out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.fakes.command_line import run
from tests.fakes.kernel_folders import write_history


@pytest.fixture
def site(tmp_path, capsys):
    """`site.problems` takes folders; `site.build(nights, …)` writes the pages and reads them."""
    problems, out = tmp_path / "problems", tmp_path / "site"
    problems.mkdir()

    def build(*nights, flags=()) -> None:
        if nights:
            history = write_history(tmp_path / "history.jsonl", nights)
            flags = (*flags, "--history", history)
        assert run("report", problems, "--out", out, *flags) == 0, capsys.readouterr().err

    def page(name: str) -> str:
        return (out / f"{name}.html").read_text()

    return SimpleNamespace(problems=problems, out=out, build=build, page=page)
