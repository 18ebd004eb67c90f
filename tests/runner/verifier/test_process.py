"""The judge's end of the pipe, with scripts as workers: jobs, replies, tools, deadlines."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from runner.errors import DeviceMemoryExhausted, RunnerError
from runner.verifier import process
from runner.verifier.process import role_environment
from tests.runner.verifier.script_worker import ECHO, READY, ScriptWorkers, failure, soon

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
    workers = ScriptWorkers(monkeypatch, tmp_path)
    yield workers.start
    workers.end()


def test_jobs_are_answered_in_order(start):
    worker = start(ECHO)
    for number in range(3):
        assert worker.ask({"op": number}, soon())["heard"] == {"op": number}


@pytest.mark.parametrize(
    "script", [READY + "time.sleep(60)", READY + "os.close(0); time.sleep(60)"]
)
def test_a_worker_that_never_reads_does_not_hold_up_the_judge(script, start):
    worker = start(READY + script)
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
    assert reply["folder"] != str(Path.cwd())
    assert reply["argv"][:4] == ["-P", "-s", "-m", "runner.verifier.worker"]
    assert subprocess.list2cmdline(reply["argv"]).count("sk-") == 0


@pytest.mark.parametrize(
    ("role", "error", "kind", "says"),
    [
        ("reference", "ValueError: no\\nmore", RunnerError, "did not start: ValueError: no"),
        ("cuda-reference", "RuntimeError: no GPU", RunnerError, "did not start: RuntimeError: no"),
        (
            "cuda-reference",
            "AcceleratorError: CUDA error: out of memory\\nSearch for `cudaErrorMemoryAllocation'",
            DeviceMemoryExhausted,
            "a cuda-reference worker did not start: it ran out of the GPU's memory",
        ),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_one_line(role, error, kind, says, start):
    worker = start(f"say({{'ready': False, 'error': \"{error}\"}})", role=role)
    with pytest.raises(kind, match=says) as refused:
        worker.wait_ready()
    assert "\n" not in str(refused.value)
    with pytest.raises(RunnerError, match="did not start"):
        worker.wait_ready()  # it does not get ready by being asked again
