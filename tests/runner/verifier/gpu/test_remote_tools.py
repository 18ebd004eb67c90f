"""Triton's compilers, asked for instead of started: by Triton's own code, with a made-up judge."""

from __future__ import annotations

import base64
import inspect
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import pytest
import torch  # noqa: F401 - before Triton's backends are loaded
import triton
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia import compiler as nvidia
from triton.runtime import build

from runner.verifier.gpu import remote_tools

CUBIN = b"\x7fELF cubin"
MODULE = ".version 8.3\n.target sm_90a\n.visible .entry k() { ret; }\n"


class FakeJudge:
    """Answers as `Toolchain.serve` does; keeps the requests."""

    def __init__(self, returncode=0, said="ptxas info: 0 bytes", output=CUBIN):
        self.requests = []
        self._reply = {
            "returncode": returncode,
            "said": said,
            "output": base64.b64encode(output).decode() if returncode == 0 else "",
        }

    def __call__(self, request):
        self.requests.append(request)
        return self._reply


@pytest.fixture
def install(monkeypatch):
    """`remote_tools.install`, undone after the test."""
    monkeypatch.setattr(nvidia, "subprocess", subprocess)
    monkeypatch.setattr(knobs.build, "impl", None)
    real = subprocess.run

    def put_in(judge):
        remote_tools.install(judge)
        return judge

    yield put_in
    assert subprocess.run is real  # everybody else's is left alone


@pytest.fixture
def make_cubin(monkeypatch, tmp_path):
    """Triton's own last stage for sm_90; its temporary files go to a folder of the test's."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "1")  # Triton 3.9 warns without it
    backend = nvidia.CUDABackend(GPUTarget("cuda", 90, 32))
    options = backend.parse_options({})
    return lambda: backend.make_cubin(MODULE, {}, options, 90)


def test_tritons_assembler_stage_asks(install, make_cubin, tmp_path):
    judge = install(FakeJudge())
    assert make_cubin() == CUBIN
    (request,) = judge.requests
    assert request["tool"] == "ptxas"
    assert request["source"] == MODULE
    assert "--gpu-name=sm_90a" in request["options"]
    assert "-v" in request["options"]
    assert not any("/" in option or option == "-o" for option in request["options"])
    assert list(tmp_path.iterdir()) == []


def test_a_failing_assembler_is_tritons_own_error_with_the_tools_words(install, make_cubin, capsys):
    install(FakeJudge(returncode=255, said="line 3: unknown instruction 'frobnicate'"))
    with pytest.raises(triton.runtime.errors.PTXASError, match="frobnicate"):
        make_cubin()


def build_launcher(source, folder):
    """Triton's own build step, whose last parameters came with later versions."""
    parameters = inspect.signature(build._build).parameters.values()
    due = sum(one.default is inspect.Parameter.empty for one in parameters)
    return build._build(*["launcher", str(source), str(folder), [], [], [], []][:due])


def ptxas_files(folder):
    source, output, log = folder / "k.ptx", folder / "k.o", folder / "k.log"
    source.write_text(MODULE)
    log.touch()
    return source, output, log


def test_a_failure_raises_what_subprocess_raises_after_writing_the_log(install, tmp_path):
    install(FakeJudge(returncode=7, said="no such register"))
    source, output, log = ptxas_files(tmp_path)
    command = ["ptxas", "-v", str(source), "-o", str(output)]
    with log.open() as stream, pytest.raises(subprocess.CalledProcessError) as failed:
        nvidia.subprocess.run(command, check=True, close_fds=False, stderr=stream)
    assert failed.value.returncode == 7
    assert failed.value.cmd == command
    assert log.read_text() == "no such register"
    assert not output.exists()


def test_a_failure_that_is_not_checked_is_a_returncode(install, tmp_path):
    install(FakeJudge(returncode=7))
    source, output, _ = ptxas_files(tmp_path)
    done = nvidia.subprocess.run(["ptxas", str(source), "-o", str(output)])
    assert done.returncode == 7


def test_options_on_both_sides_of_the_files_are_passed_on(install, tmp_path):
    judge = install(FakeJudge())
    source, output, _ = ptxas_files(tmp_path)
    nvidia.subprocess.run(["ptxas", "-v", str(source), "-o", str(output), "-O3"], check=True)
    assert judge.requests[0]["options"] == ["-v", "-O3"]
    assert output.read_bytes() == CUBIN


def test_tritons_build_of_a_launcher_asks(install, tmp_path):
    judge = install(FakeJudge(output=b"\x7fELF launcher"))
    source = tmp_path / "main.c"
    source.write_text("int x;")
    built = Path(build_launcher(source, tmp_path))
    assert built == tmp_path / f"launcher{sysconfig.get_config_var('EXT_SUFFIX')}"
    assert built.read_bytes() == b"\x7fELF launcher"
    assert judge.requests == [{"tool": "cc", "options": [], "source": "int x;"}]


def test_a_failing_compiler_is_an_error_with_its_words(install, tmp_path):
    install(FakeJudge(returncode=1, said="main.c:1: expected ';'"))
    source = tmp_path / "main.c"
    source.write_text("int x")
    with pytest.raises(RuntimeError, match="expected ';'"):
        build_launcher(source, tmp_path)


def test_the_log_keeps_both_command_lines_as_triton_gives_them(monkeypatch, tmp_path):
    monkeypatch.setattr(nvidia, "subprocess", subprocess)
    monkeypatch.setattr(knobs.build, "impl", None)
    ran = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: ran.append(command))
    monkeypatch.setattr(subprocess, "check_call", lambda command, **_: ran.append(command))
    before = subprocess.run, subprocess.check_call
    ptxas = ["/opt/bin/ptxas-blackwell", "-v", "--gpu-name=sm_90a", "k.ptx", "-o", "k.o"]
    with remote_tools.CommandLog() as log:
        subprocess.run(ptxas, check=True)
        subprocess.run(["/opt/bin/ptxas", "--version"])
        subprocess.run("ptxas -o x", shell=True)
        build_launcher("main.c", tmp_path)
    assert (subprocess.run, subprocess.check_call) == before
    assert log.ptxas == ptxas
    assert log.cc[1] == "main.c"
    assert "-shared" in log.cc
    assert log.cc[log.cc.index("-o") + 1].startswith(str(tmp_path / "launcher"))
    assert len(ran) == 4  # noted, and run all the same


def test_the_log_stops_also_when_the_warm_up_fails():
    before = subprocess.run, subprocess.check_call
    with pytest.raises(LookupError), remote_tools.CommandLog():
        raise LookupError
    assert (subprocess.run, subprocess.check_call) == before
