"""SIGKILL of a real run at random moments, and `--resume`: nothing lost, nothing paid twice.

KERNELWRIGHT_TEST_KILLS sets how many moments (default: 8; CI runs 30).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.model_script import Pace
from tests.fakes.model_server import ModelServer
from tests.fakes.skill_curve import best_of, skill

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("KERNELWRIGHT_TEST_KILLS", "8"))
ATTEMPTS = 12
EVERY = set(range(1, ATTEMPTS + 1))
# A whole run takes about half a second; later kills find it finished, and that is a case, too.
LATEST_KILL_S = 0.6


class Starter:
    """Processes of `generate` against one endpoint."""

    def __init__(self, url):
        script = ROOT / "tests" / "fakes" / "killable_generate.py"
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KERNELWRIGHT_", "OPENAI_"))
        }
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            cwd=ROOT,
            env={**environment, "OPENAI_BASE_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def start(self, problem, out, streams) -> int:
        limits = ["--attempts", str(ATTEMPTS), "--streams", str(streams)]
        arguments = ["generate", str(problem), "--model", "openai:r1", "--out", str(out)]
        return self._ask([*arguments, *limits, "--resume"])

    def wait(self) -> int:
        return self._ask(None)

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)

    def _ask(self, message) -> int:
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def server():
    pace = Pace(first_token_s=0.02, tokens_per_s=10_000)
    with ModelServer(skill, pace=pace) as running:
        yield running


@pytest.fixture(scope="module")
def starter(server):
    processes = Starter(server.url)
    yield processes
    processes.close()


def paid(out):
    """The attempts whose answers are on disk."""
    path = out / "transcript.jsonl"
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [json.loads(line)["attempt"] for line in whole.splitlines()]


@pytest.mark.parametrize("moment", range(KILLS))
def test_a_killed_run_pays_for_no_answer_twice_and_ends_with_the_same_best(
    starter, server, double_it_folder, tmp_path, moment
):
    draw = random.Random(moment)
    out, streams = tmp_path / "out", draw.choice((1, 3))
    before = []
    for _ in range(2):
        process = starter.start(double_it_folder, out, streams)
        time.sleep(draw.uniform(0.0, LATEST_KILL_S))
        os.kill(process, signal.SIGKILL)
        assert starter.wait() in (-signal.SIGKILL, 0)
        before.append((paid(out), len(server.served)))
    starter.start(double_it_folder, out, streams)
    assert starter.wait() == 0
    assert sorted(paid(out)) == sorted(EVERY)
    # What was on disk at a kill was never asked for again.
    served = server.served
    for answers, calls in before:
        assert not {row.ask.attempt for row in served[calls:]} & set(answers)
    manifest = json.loads((out / "bundle" / "manifest.json").read_text())
    assert manifest["best_attempt"] == best_of(EVERY)
    assert [row["index"] for row in manifest["attempts"]] == sorted(EVERY)
    assert f"number_{best_of(EVERY)}" in (out / "best" / "kernel.py").read_text()
