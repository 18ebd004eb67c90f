"""The judge's end of the pipe, against scripts in a worker's place: deaf, greedy, dying, talkative.

The scripts need no torch and start at once; `test_survival` does the same with real workers.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time

import pytest

from runner.errors import RunnerError
from runner.verifier import process
from runner.verifier.arena import Arena
from runner.verifier.process import Start, WorkerFailed, WorkerProcess, role_environment
from runner.verifier.sandbox import Sandbox
from runner.verifier.watch import children_of

PRELUDE = """\
import json, os, sys, threading, time
def say(message):
    os.write(1, json.dumps(message).encode() + b"\\n")
def hear():
    return json.loads(sys.stdin.readline())
"""
READY = 'say({"ready": True})\n'
ECHO = READY + "while True: say({'ok': True, 'heard': hear()})"
LARGE = {"op": "load", "source": "x" * (1 << 20)}  # a pipe holds 64 KiB


class FakeTools:
    """Answers every request for a tool; keeps what was asked."""

    def __init__(self, answer=None):
        self.requests = []
        self._answer = answer or {"returncode": 0}

    def serve(self, request):
        self.requests.append(dict(request))
        return self._answer


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Starts a script in a worker's place and ends it after the test."""
    started = []

    def run(script, kind="none", **fields):
        folder = tmp_path / f"worker-{len(started)}"
        folder.mkdir()
        program = folder / "python"
        program.write_text(f"#!{sys.executable} -IS\n{PRELUDE}{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(process, "interpreter", lambda: str(program))
        # The cache is what a sandboxed worker sees of the host: here, its own program.
        fields = {"cache": folder, "cpu_s": 60.0, "role": "candidate", **fields}
        arenas = (Arena.create(1 << 12),)
        started.append(WorkerProcess(Start(sandbox=Sandbox(kind=kind), arenas=arenas, **fields)))
        return started[-1]

    yield run
    for worker in started:
        if not worker._stdout.closed:
            worker.close()


def soon(seconds=5.0):
    return time.monotonic() + seconds


def open_files():
    """This process's descriptors, but for arenas: their memory goes with the last view of it."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return sorted(target for target in found if "memfd:" not in target)


def failure(worker, job=None, deadline=None):
    with pytest.raises(WorkerFailed) as failed:
        worker.ask(job or {"op": "call"}, deadline or soon())
    worker._process.wait(timeout=5)  # whoever fails is ended at once
    return failed.value


def test_jobs_are_answered_in_order(start):
    worker = start(ECHO)
    for number in range(3):
        assert worker.ask({"op": number}, soon())["heard"] == {"op": number}


@pytest.mark.parametrize(
    "script", [READY + "time.sleep(60)", READY + "os.close(0); time.sleep(60)"]
)
def test_a_worker_that_never_reads_does_not_hold_up_the_judge(script, start):
    worker = start(script)
    worker.wait_ready()
    started = time.monotonic()
    failed = failure(worker, LARGE, soon(0.4))
    assert failed.kind in ("timeout", "died")
    assert time.monotonic() - started < 3


READS_SLOWLY = """
got = b""
while not got.endswith(b"\\n"):
    got += os.read(0, 50_000)
    time.sleep(0.005)
say({"ok": True, "size": len(json.loads(got)["source"])})
time.sleep(60)
"""


def test_a_worker_that_reads_slowly_gets_the_whole_job(start):
    assert start(READY + READS_SLOWLY).ask(LARGE, soon())["size"] == 1 << 20


def test_a_reply_that_does_not_come_is_a_timeout(start):
    failed = failure(start(READY + "hear(); time.sleep(60)"), deadline=soon(0.3))
    assert (failed.kind, failed.reason) == ("timeout", "it ran out of time")


def test_a_reply_that_drips_is_a_timeout_too(start):
    drip = READY + "hear()\nwhile True: os.write(1, b'x'); time.sleep(0.01)"
    assert failure(start(drip), deadline=soon(0.4)).kind == "timeout"


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


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", "[1]", "7", "null", '"ok"', "{", "\\xff\\xfe", "[" * 200_000, "9" * 5000],
    ids=lambda line: line[:12] or "empty",
)
def test_what_is_no_reply_is_garbage(line, start):
    failed = failure(start(READY + f"hear(); os.write(1, b'{line}\\n'); time.sleep(60)"))
    assert failed.kind == "garbage"


def test_a_reply_has_a_largest_size(start, monkeypatch):
    monkeypatch.setattr(process, "MAX_REPLY_BYTES", 1 << 20)
    failed = failure(start(READY + "hear()\nwhile True: os.write(1, b'x' * 65536)"))
    assert failed.reason == "it wrote more than a reply can have"


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
    ("greed", "said"), [(THREADS, "more than 10 threads"), (MEMORY, "host memory")]
)
def test_whoever_takes_too_much_is_ended_soon(greed, said, wait, start, monkeypatch):
    monkeypatch.setattr(process, "MAX_THREADS", 10)
    monkeypatch.setattr(process, "DATA_BYTES", 64 << 20)
    started = time.monotonic()
    failed = failure(start(f"{READY}hear()\n{greed}\n{WAYS_TO_WAIT[wait]}"))
    assert time.monotonic() - started < 2
    assert failed.kind == "died"
    assert said in failed.reason


def test_what_is_below_the_limits_is_let_be(start, monkeypatch):
    monkeypatch.setattr(process, "MAX_THREADS", 40)
    monkeypatch.setattr(process, "DATA_BYTES", 512 << 20)
    worker = start(f"{READY}hear()\n{THREADS}\n{MEMORY}\ntime.sleep(0.4)\nsay({{'ok': True}})")
    assert worker.ask({"op": "call"}, soon()) == {"ok": True}


ASKS = """
job = hear()
for number in range(3):
    say({"tool": "ptxas", "source": f"{job['op']} {number}"})
    answer = hear()
say({"ok": True, "last": answer})
"""


def test_tools_are_served_in_the_middle_of_a_job(start):
    tools = FakeTools(answer={"returncode": 0, "output": "x" * (1 << 20)})
    reply = start(READY + ASKS, tools=tools).ask({"op": "load"}, soon())
    assert reply["ok"] is True
    assert len(reply["last"]["output"]) == 1 << 20
    assert [request["source"] for request in tools.requests] == ["load 0", "load 1", "load 2"]


def test_without_tools_a_request_is_only_a_reply(start):
    assert start(READY + ASKS).ask({"op": "load"}, soon())["tool"] == "ptxas"


def test_asking_for_tools_for_ever_is_a_timeout(start):
    forever = READY + "hear()\nwhile True: say({'tool': 'cc'}); hear()"
    tools = FakeTools()
    assert failure(start(forever, tools=tools), deadline=soon(0.4)).kind == "timeout"
    assert tools.requests


def test_a_worker_that_does_not_read_its_tools_answer_is_a_timeout(start):
    tools = FakeTools(answer={"output": "x" * (1 << 20)})
    deaf = start(READY + "hear(); say({'tool': 'cc'}); time.sleep(60)", tools=tools)
    assert failure(deaf, deadline=soon(0.4)).kind == "timeout"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("say({'ready': False, 'error': 'ImportError: no torch'})", "ImportError: no torch"),
        ("os.write(2, b'first\\nlast words\\n'); os._exit(1)", "exit status 1: last words"),
        ("os.write(1, b'garbage\\n'); time.sleep(60)", "garbage"),
        ("time.sleep(60)", "it ran out of time"),
    ],
)
def test_a_worker_that_does_not_get_ready_is_the_runners_trouble(script, said, start, monkeypatch):
    monkeypatch.setattr(process, "START_TIMEOUT_S", 0.5)
    with pytest.raises(RunnerError, match=f"a candidate worker did not start: .*{said}"):
        start(script).ask({"op": "call"}, soon())


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
    assert not any(os.path.exists(f"/proc/{pid}") for pid in ours | below)
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
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_arena_that_is_the_judges_own_outlives_the_worker(start):
    worker = start(ECHO, owned=False)
    worker.close()
    os.fstat(worker.arena.fd)
    worker.arena.close()


@pytest.mark.parametrize("role", ["reference", "candidate", "cuda-reference", "cuda-candidate"])
def test_no_role_gets_the_operators_secrets(role, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    environment = role_environment(role)
    assert "sk-secret" not in environment.values()
    assert environment.get("CUDA_VISIBLE_DEVICES") == ("1" if role.startswith("cuda") else None)
    assert environment.get("TRITON_INTERPRET") == ("1" if role == "candidate" else None)


def test_its_python_path_is_not_what_it_is_called_from(start):
    """The settings travel as one argument; the working folder is not the judge's."""
    worker = start(READY + "say({'folder': os.getcwd(), 'argv': sys.argv[1:]})\nhear()")
    worker.wait_ready()
    reply = worker.ask({"op": "call"}, soon())
    assert reply["folder"] != os.getcwd()
    assert reply["argv"][:4] == ["-P", "-s", "-m", "runner.verifier.worker"]
    assert subprocess.list2cmdline(reply["argv"]).count("sk-") == 0
