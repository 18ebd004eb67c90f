"""Starts the real service in processes that die at a chosen point of a chosen step.

Run as a script. It loads the service once and forks a process for each line that it reads, because
loading takes longer than a whole request. A line is a JSON object: `start` (environment, log file,
and `kill`, the arguments of `arm` or null) is answered with the process id, `wait` with how it
ended.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import dbos._dbos
import uvicorn.lifespan.on
import uvicorn.loops.auto
import uvicorn.protocols.http.auto

import bot.__main__
import bot.app
import bot.steps

# Recovery starts with the next look into DBOS's own queue, once a second: too slow for these tests.
dbos._dbos._get_or_create_dbos_registry().get_internal_queue()._polling_interval_sec = 0.05
# A step's first pause after an answer of GitHub's that was none.
bot.steps._FIRST_WAIT_S = 0.05
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_PRELOADED = (uvicorn.lifespan.on, uvicorn.loops.auto, uvicorn.protocols.http.auto, bot.app)


def arm(when: str, step: str, once: str | None = None) -> None:
    """SIGKILL this process just before, or just after, the effect of `step`.

    With `once`, a path: only the first of all processes that gets there, which makes that file.
    """
    original = bot.steps.effect

    def kill() -> None:
        if once is not None:
            try:
                os.close(os.open(once, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
        os.kill(os.getpid(), signal.SIGKILL)

    def effect(name: str, act: Callable[[], Any], patience: bot.steps.Patience) -> Any:
        if (when, step) == ("before", name):
            kill()
        result = original(name, act, patience)
        if (when, step) == ("after", name):
            kill()
        return result

    bot.steps.effect = effect


def serve(order: dict[str, Any]) -> None:
    """The service in this (forked) process; does not return."""
    # A test run that is cut short must leave nothing behind: the service ends with its parent.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(order["environment"])
    if order["kill"] is not None:
        arm(*order["kill"])
    os._exit(bot.__main__.main(["serve"]))


def wait(pid: int, timeout_s: float) -> int | None:
    """The process's end as `os.waitstatus_to_exitcode` gives it; None where it still runs."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            pid = os.fork()
            if pid == 0:
                serve(order["start"])
            answer: Any = pid
        else:
            answer = wait(order["wait"], order["timeout_s"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
