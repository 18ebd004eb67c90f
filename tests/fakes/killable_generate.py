"""Starts `generate`, with a real model client and scripted verdicts, in processes to be killed.

Run as a script. It loads the runner once and forks a process for each line that it reads, because
loading takes longer than a whole run. A line is a JSON list of arguments, answered with the process
id; the line `null` waits for the last one and is answered with its exit code (negative: a signal).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import openai
import pytest

import runner.model.openai
from runner import cli
from runner.contract import Environment
from tests.fakes.scripted_verifier import install
from tests.fakes.skill_curve import CurveJudge
from tests.runner.conftest import make_evaluation

_PRELOADED = (openai, runner.model.openai)
VERDICT_S = 0.01


def main() -> None:
    """Serve the lines of stdin."""
    environment = Environment(
        gpu=None,
        driver=None,
        cuda=None,
        torch="2.13.0",
        triton="3.9.0",
        python="3.11.7",
        sandbox="bubblewrap",
    )
    install(
        pytest.MonkeyPatch(),
        lambda script: CurveJudge(make_evaluation, seconds=VERDICT_S),
        environment,
    )
    child = 0
    for line in sys.stdin:
        arguments = json.loads(line)
        if arguments is None:
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        child = os.fork()
        if not child:
            os._exit(cli.main(arguments))
        print(child, flush=True)


if __name__ == "__main__":
    main()
