"""`kernelwright setup` in a process of its own, beside a stand-in GitHub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@dataclass
class Running:
    """The command, with its page up. `url` is the page's."""

    process: subprocess.Popen[str]
    url: str
    out: Path

    def end(self) -> tuple[int, str]:
        """Wait for it: the exit code and what it printed."""
        printed, _ = self.process.communicate(timeout=20)
        return self.process.returncode, printed


@pytest.fixture
def setup_command(tmp_path: Path, github) -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:

        def start(*arguments: str) -> Running:
            out = tmp_path / "kernelwright.env"
            command = [sys.executable, "-m", "bot", "setup", "--out", str(out)]
            command += ["--github-url", github.base_url, "--github-api-url", github.base_url]
            process = stack.enter_context(
                subprocess.Popen(
                    [*command, *arguments],
                    cwd=ROOT,
                    env={**os.environ, "PYTHONUNBUFFERED": "1"},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            assert process.stderr is not None
            url = process.stderr.readline().split()[1]
            return Running(process=process, url=url, out=out)

        yield start
