"""What foreign code can reach from inside a worker: tried from inside, on real workers.

The worker is a candidate's, as it is after all that it trusts is loaded.
"""

from __future__ import annotations

import ast
import site
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from runner.settings import JOB_IDENTITY
from runner.verifier.arena import Arena
from runner.verifier.process import Start, WorkerProcess
from runner.verifier.sandbox import interpreter, open_sandbox

SECRET = "sk-secret-of-the-operator"
PROBE = """\
import ctypes, os, socket, sys
LIBC = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(LIBC, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
out = None
"""


@pytest.fixture(scope="module")
def secret() -> Iterator[str]:
    """In the environment of the judge: an API key, and what speaks for a GitHub job."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OPENAI_API_KEY", *JOB_IDENTITY):
            patch.setenv(name, SECRET)
        yield SECRET


@pytest.fixture(scope="module")
def inside(sandboxed, secret):
    """Runs lines of Python in a sandboxed worker; what the last one leaves in `out`, as text."""
    sandbox = open_sandbox(allow_none=False)
    start = Start(role="candidate", sandbox=sandbox, arenas=(Arena.create(1 << 20),), cpu_s=60)
    worker = WorkerProcess(start)

    def run(*lines: str) -> str:
        """The exception's type and text, or the value of `out`: a load that always 'fails'."""
        source = "\n".join([PROBE, *lines, "raise LookupError(repr(out))"])
        job = {"op": "load", "source": source, "file": "probe.py", "entry": "f"}
        reply = worker.ask(job, time.monotonic() + 30)
        return f"{reply['type']}: {reply['message']}"

    yield run
    worker.close()


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket()",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socketpair()",
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
        "os.mknod('/tmp/null', 0o020600, os.makedev(1, 3))",
        "call('ptrace', 16, 1, 0, 0)",  # PTRACE_ATTACH
        "call('unshare', 0x10000000)",  # CLONE_NEWUSER
        "call('setns', 0, 0)",
        "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
        "call('umount2', b'/proc', 2)",
        "call('sethostname', b'x', 1)",
        "call('shmget', 0, 4096, 0o1600)",
        "call('msgget', 0, 0o1600)",
        "call('prctl', 1, 0, 0, 0, 0)",  # no more SIGKILL when bwrap, that is the judge, ends
        "import time; time.clock_settime(time.CLOCK_REALTIME, 0)",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 50, 1 << 50))",
        "import resource; resource.prlimit(77, resource.RLIMIT_CPU)",
        "os.setpriority(os.PRIO_PROCESS, 0, -5)",
    ],
)
def test_attempt_is_not_permitted(attempt, inside):
    said = inside(attempt)
    assert "not permitted" in said or "Permission denied" in said or "not allowed" in said, said


def test_no_thread_can_be_made(inside):
    said = inside("import threading", "threading.Thread(target=print).start()")
    assert said == "RuntimeError: can't start new thread"


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/x", "/usr/x", "/x", "/dev/x", "/proc/x", "/kernelwright/x"),
        "/kernelwright/runner/x",
        "/kernelwright/runner/verifier/judge.py",
        f"{site.getsitepackages()[0]}/x.pth",
        f"{Path(torch.__file__).parent}/x.py",
        "/proc/sys/kernel/core_pattern",  # a program that the host runs as root, should one crash
        "/proc/self/mem",
    ],
)
def test_nothing_outside_scratch_can_be_written(path, inside):
    said = inside(f"os.open({path!r}, os.O_WRONLY | os.O_CREAT)")
    assert said.startswith(("OSError: [Errno 30]", "PermissionError", "FileNotFoundError")), said


def test_scratch_is_all_that_is_mounted_for_writing(inside):
    mounted = inside(
        "rows = [line.split() for line in open('/proc/self/mounts')]",
        "out = sorted(row[1] for row in rows if 'rw' in row[3].split(','))",
    )
    nodes = {"null", "zero", "full", "random", "urandom", "tty", "pts"}
    allowed = {"/tmp", "/dev/shm", *(f"/dev/{node}" for node in nodes)}
    found = set(ast.literal_eval(mounted.removeprefix("LookupError: ")))
    assert {"/tmp", "/dev/shm"} <= found <= allowed


@pytest.mark.parametrize("path", ["/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/sda"])
def test_the_machines_devices_are_not_there(path, inside):
    assert inside(f"open({path!r})").startswith("FileNotFoundError")


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


def test_the_operators_secrets_are_in_no_file_of_a_process(inside, secret):
    seen = inside(
        "out = repr(dict(os.environ))",
        "for pid in ['self', *filter(str.isdigit, os.listdir('/proc')), *map(str, range(99))]:",
        "    for name in ('environ', 'cmdline'):",
        "        try: out += open(f'/proc/{pid}/{name}').read()",
        "        except OSError: pass",
    )
    assert "PATH" in seen
    assert secret not in seen


def test_other_processes_cannot_be_seen(inside):
    assert inside("out = [name for name in os.listdir('/proc') if name.isdigit()]") == (
        "LookupError: ['1']"
    )
    assert inside("out = os.getpid(), os.getppid()") == "LookupError: (1, 0)"


def test_only_known_descriptors_are_open(inside):
    """Jobs come through a pipe, replies leave through one; printing goes to a nameless file."""
    seen = inside(
        "names = {n: os.readlink(f'/proc/self/fd/{n}') for n in map(str, range(256))",
        "         if os.path.lexists(f'/proc/self/fd/{n}')}",
        "out = sorted(name.split(':[')[0].split('#')[0] for name in names.values())",
    )
    targets = ast.literal_eval(seen.removeprefix("LookupError: "))
    kinds = {target: targets.count(target) for target in targets}
    arena, printed = kinds.pop("/memfd:kernelwright (deleted)"), kinds.pop("pipe")
    assert (arena, printed) == (2, 2)  # the arena twice: as it came, and as mmap keeps it
    assert list(kinds.values()) == [2]  # standard output and standard error, one file


def test_homes_and_the_checkout_cannot_be_seen(inside, pytestconfig, tmp_path):
    (tmp_path / "reference.py").write_text("")
    unseen = [
        str(pytestconfig.rootpath / "pyproject.toml"),
        str(tmp_path / "reference.py"),
        str(Path.home() / ".ssh"),
        *("/home", "/var", "/srv", "/mnt", "/sys", "/run", "/etc/passwd", "/etc/shadow"),
        *("/etc/hosts", "/etc/resolv.conf", "/proc/1/root/etc/shadow"),
    ]
    assert inside(f"out = [p for p in {unseen!r} if os.path.exists(p)]") == "LookupError: []"
    assert inside("out = os.listdir('/kernelwright')") == "LookupError: ['runner']"


def test_names_cannot_be_looked_up(inside):
    assert inside("socket.getaddrinfo('example.com', 443)").startswith(("gaierror", "Permission"))


def test_host_ports_cannot_be_reached(inside, sandboxed):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        port = server.getsockname()[1]
        said = inside(f"socket.create_connection(('127.0.0.1', {port}), 2)")
        assert said.startswith("PermissionError")
        with pytest.raises(TimeoutError):
            server.accept()


def test_host_ports_cannot_be_reached_even_without_the_filter(sandboxed):
    """The network namespace holds by itself: here nothing else is in the way."""
    import subprocess

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        command = [interpreter(), "-I", "-c", probe]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        server.settimeout(5)
        server.accept()[0].close()
        wrapped = open_sandbox(allow_none=False).wrap(command)
        done = subprocess.run(wrapped, capture_output=True, text=True, check=False)
        assert "Connection refused" in done.stderr or "unreachable" in done.stderr
        server.settimeout(0.3)
        with pytest.raises(TimeoutError):
            server.accept()
