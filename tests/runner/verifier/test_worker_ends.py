"""How workers end: by themselves, for taking too much, or because the judge is done with them.

Scripts stand in for workers; `test_survival` does the same with real ones.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from runner.errors import RunnerError
from runner.verifier import process
from runner.verifier.arena import Arena
from runner.verifier.process import Start, WorkerProcess
from runner.verifier.sandbox import Sandbox
from runner.verifier.watch import children_of
from tests.runner.verifier.script_worker import (
    ECHO,
    READY,
    ScriptWorkers,
    failure,
    open_files,
    soon,
)


@pytest.fixture
def start(monkeypatch, tmp_path):
    workers = ScriptWorkers(monkeypatch, tmp_path)
    yield workers.start
    workers.end()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("os._exit(0)", "it ended itself with exit status 0"),
        ("os._exit(3)", "it ended itself with exit status 3"),
        ("os.kill(os.getpid(), 11)", "it was ended by SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "it was ended by SIGKILL"),
        ("os._exit(128 + 6)", "it was ended by SIGABRT"),  # as bwrap and shells say it
        ("os._exit(255)", "it ended itself with exit status 255"),
    ],
)
def test_a_death_is_told_as_it_was(script, reason, start):
    failed = failure(start(READY + "hear()\n" + script))
    assert (failed.kind, failed.reason) == ("died", reason)


def test_what_it_printed_comes_with_the_failure_cut_to_the_tail(start, monkeypatch):
    monkeypatch.setattr(process, "MAX_STDERR_BYTES", 1000)
    script = READY + "hear(); os.write(2, b'a' * 5000 + b'\\xff the end'); os._exit(1)"
    stderr = failure(start(script)).stderr
    assert stderr.endswith("\N{REPLACEMENT CHARACTER} the end")
    assert len(stderr) <= 1000


THREADS = "for _ in range(12): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
MEMORY = "kept = bytearray(os.urandom(1)) * (96 << 20)"
WAYS_TO_WAIT = {
    "silent": "time.sleep(60)",
    # Whoever keeps the judge reading must not keep it from looking.
    "talkative": "while True: os.write(1, b'x'); time.sleep(0.01)",
}


@pytest.mark.parametrize("wait", WAYS_TO_WAIT)
@pytest.mark.parametrize(
    ("greed", "said"),
    [(THREADS, "more than 10 threads"), (MEMORY, "host memory")],
    ids=["threads", "memory"],
)
def test_whoever_takes_too_much_is_ended_soon(greed, said, wait, start, monkeypatch):
    monkeypatch.setattr(process, "MAX_THREADS", 10)
    monkeypatch.setattr(process, "DATA_BYTES", 64 << 20)
    started = time.monotonic()
    failed = failure(start(f"{READY}hear()\n{greed}\n{WAYS_TO_WAIT[wait]}"))
    assert time.monotonic() - started < 3
    assert failed.kind == "died"
    assert said in failed.reason


def test_what_is_below_the_limits_is_let_be(start, monkeypatch):
    monkeypatch.setattr(process, "MAX_THREADS", 40)
    monkeypatch.setattr(process, "DATA_BYTES", 512 << 20)
    worker = start(f"{READY}hear()\n{THREADS}\n{MEMORY}\ntime.sleep(0.4)\nsay({{'ok': True}})")
    assert worker.ask({"op": "call"}, soon()) == {"ok": True}


@pytest.mark.parametrize("kind", ["none", "bubblewrap"])
def test_close_leaves_no_process_no_file_and_no_descriptor(
    kind, start, sandboxed, monkeypatch, tmp_path
):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = set(children_of(os.getpid())), open_files()
    worker = start(ECHO, kind=kind)
    worker.wait_ready()
    ours = set(children_of(os.getpid())) - before[0]
    below = {child for pid in ours for child in children_of(pid)}
    assert len(ours) == 1
    assert len(below) == (1 if kind == "bubblewrap" else 0)
    assert worker.alive()
    worker.close()
    assert (set(children_of(os.getpid())), open_files()) == before
    assert not any(Path(f"/proc/{pid}").exists() for pid in ours | below)
    assert list(scratch.iterdir()) == []
    assert not worker.alive()


def test_without_a_sandbox_the_whole_group_is_ended(start):
    worker = start(f"{READY}pid = os.fork() or time.sleep(60)\nhear(); say({{'pid': pid}})\nhear()")
    pid = worker.ask({"op": "call"}, soon())["pid"]
    worker.kill()
    worker.kill()  # ended already: nothing happens
    worker._process.wait(timeout=5)
    deadline = soon()
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def test_an_arena_that_is_the_judges_own_outlives_the_worker(start):
    worker = start(ECHO, owned=False)
    worker.close()
    os.fstat(worker.arena.fd)
    worker.arena.close()


def test_a_program_that_cannot_be_started_leaves_nothing(start, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(process, "interpreter", lambda: str(tmp_path / "no-such-python"))
    arena = Arena.create(1 << 12)
    before = open_files()
    settings = Start(role="candidate", sandbox=Sandbox(kind="none"), arenas=(arena,), cpu_s=1)
    with pytest.raises(RunnerError, match="cannot start a worker"):
        WorkerProcess(settings)
    assert list(tmp_path.iterdir()) == []
    assert open_files() == before
    arena.close()
