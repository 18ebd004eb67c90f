"""What foreign code can reach from inside a worker: tried from inside, on a real worker."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from runner.errors import SandboxUnavailable
from runner.problem import parse_problem
from runner.verifier import Verifier, VerifyOptions, sandbox
from runner.verifier.arena import Arena
from runner.verifier.process import WorkerProcess
from runner.verifier.sandbox import Sandbox, open_sandbox

SECRET = "sk-secret-of-the-operator"


@pytest.fixture(scope="module")
def inside(sandboxed):
    """Runs lines of Python in a sandboxed worker; what the last one leaves in `out`, as text."""
    before = os.environ.get("OPENAI_API_KEY")
    os.environ["OPENAI_API_KEY"] = SECRET
    arena = Arena.create(1 << 20)
    worker = WorkerProcess("reference", open_sandbox(allow_none=False), arena, cpu_s=60)

    def run(*lines: str) -> str:
        """The exception's type and text, or the value of `out`: a load that always 'fails'."""
        source = "\n".join(["import os, sys", "out = None", *lines, "raise LookupError(repr(out))"])
        job = {"op": "load", "source": source, "file": "probe.py", "entry": "f"}
        reply = worker.ask(job, time.monotonic() + 30)
        return f"{reply['type']}: {reply['message']}"

    yield run
    worker.close()
    arena.close()
    if before is None:
        del os.environ["OPENAI_API_KEY"]
    else:
        os.environ["OPENAI_API_KEY"] = before


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.socket()",
        "import socket; socket.socketpair()",
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "import subprocess; subprocess.run(['/bin/true'])",
        "os.execv('/bin/true', ['true'])",
        "os.kill(os.getppid(), 9)",
        "os.kill(-1, 9)",
        "os.killpg(0, 9)",
        "os.pidfd_open(1)",
        "os.memfd_create('x')",
        "os.chroot('/tmp')",
        "os.unshare(0x10000000)" if hasattr(os, "unshare") else "os.chroot('/')",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 50, 1 << 50))",
    ],
)
def test_attempt_is_not_permitted(attempt, inside):
    said = inside(attempt)
    assert "not permitted" in said or "Permission denied" in said or "not allowed" in said, said


@pytest.mark.parametrize(
    "path",
    ["/etc/x", "/usr/x", "/x", "/kernelwright/runner/x", "/kernelwright/x", "/dev/x", "/proc/x"],
)
def test_nothing_outside_scratch_can_be_written(path, inside):
    assert inside(f"open({path!r}, 'w')").startswith(
        ("OSError: [Errno 30]", "PermissionError", "FileNotFoundError")
    )


def test_scratch_can_be_written_but_not_filled(inside):
    assert inside("open('/tmp/x', 'w').write('1')", "out = open('/tmp/x').read()") == (
        "LookupError: '1'"
    )
    filled = inside(
        "try:",
        "    for n in range(64):",
        "        open(f'/tmp/filling-{n}', 'wb').write(bytes(60 << 20))",
        "finally:",
        "    import glob; [os.remove(p) for p in glob.glob('/tmp/filling-*')]",
    )
    assert filled.startswith("OSError: [Errno 28]")


def test_no_file_beyond_its_limit(inside):
    said = inside("open('/tmp/x', 'wb').write(bytes(65 << 20))")
    assert said.startswith("OSError: [Errno 27]")


def test_the_operators_secrets_are_nowhere(inside):
    seen = inside(
        "out = repr(dict(os.environ))",
        "for pid in filter(str.isdigit, os.listdir('/proc')):",
        "    for name in ('environ', 'cmdline'):",
        "        try: out += open(f'/proc/{pid}/{name}').read()",
        "        except OSError: pass",
    )
    assert "PATH" in seen
    assert SECRET not in seen


def test_other_processes_cannot_be_seen(inside):
    count = inside("out = sum(name.isdigit() for name in os.listdir('/proc'))")
    assert count == "LookupError: 1"


def test_homes_and_the_checkout_cannot_be_seen(inside, pytestconfig):
    here = str(pytestconfig.rootpath / "pyproject.toml")
    assert inside(f"out = os.path.exists({here!r})") == "LookupError: False"
    assert inside("out = os.listdir('/kernelwright')") == "LookupError: ['runner']"
    assert inside("out = [p for p in ('/home', '/var', '/srv', '/mnt') if os.path.exists(p)]") == (
        "LookupError: []"
    )


def test_host_ports_cannot_be_reached_even_without_the_filter(sandboxed):
    """The network namespace holds by itself: here nothing else is in the way."""
    import subprocess

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        command = [sandbox.interpreter(), "-I", "-c", probe]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        wrapped = open_sandbox(allow_none=False).wrap(command)
        done = subprocess.run(wrapped, capture_output=True, text=True, check=False)
    assert "Connection refused" in done.stderr or "unreachable" in done.stderr


@pytest.fixture
def no_bwrap(monkeypatch):
    monkeypatch.setattr(sandbox, "_probe", lambda: "bwrap is not installed")


def test_refuses_to_run_without_a_sandbox_and_says_how_to_get_one(no_bwrap, softmax_problem):
    with pytest.raises(SandboxUnavailable, match=r"apt install bubblewrap.*--allow-no-sandbox"):
        Verifier(softmax_problem, VerifyOptions())


def test_going_without_is_recorded_and_still_filtered(no_bwrap, softmax_texts):
    """Without bubblewrap the worker's own system-call filter and limits remain."""
    reference = "import os\n\n\ndef row_softmax(x):\n    os.fork()\n"
    problem = parse_problem(softmax_texts.toml, reference)
    with Verifier(problem, VerifyOptions(allow_no_sandbox=True)) as verifier:
        assert verifier.sandbox == "none"
        with pytest.raises(Exception, match="Operation not permitted"):
            verifier.prepare()


def test_probe_says_why_bwrap_cannot_work(monkeypatch, tmp_path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    sandbox._probe.cache_clear()
    try:
        with pytest.raises(SandboxUnavailable, match="uid map: Permission denied"):
            open_sandbox(allow_none=False)
        assert open_sandbox(allow_none=True) == Sandbox(kind="none")
    finally:
        sandbox._probe.cache_clear()
        sandbox._tmpfs_size_known.cache_clear()


def test_an_interpreter_named_by_a_path_with_dots_is_found(monkeypatch, sandboxed):
    """`../venv/bin/python -m runner …` leaves the `..` in sys.executable and sys.prefix."""
    executable, prefix = Path(sys.executable), Path(sys.prefix)
    dotted = f"{executable.parent}/../{executable.parent.name}/{executable.name}"
    monkeypatch.setattr(sys, "executable", dotted)
    monkeypatch.setattr(sys, "prefix", f"{prefix}/../{prefix.name}")
    sandbox._probe.cache_clear()
    try:
        assert open_sandbox(allow_none=False) == Sandbox(kind="bubblewrap")
    finally:
        sandbox._probe.cache_clear()
