"""What the doctor says of a machine: each fact by itself, and the modes that follow."""

from __future__ import annotations

import dataclasses
import json
import sys
from types import SimpleNamespace

import pytest

from runner import doctor, machine, machine_gpu
from runner.contract import Roofline
from runner.doctor import run_doctor, why_not
from runner.environment import Gpu
from runner.errors import SandboxUnavailable
from runner.machine import BOTH, Fact
from runner.machine_gpu import GpuProbe
from runner.verifier.sandbox import open_sandbox
from tests.fakes.measured import ROOFLINE

H200 = Gpu(
    name="NVIDIA H200",
    driver="580.1",
    compute_capability="9.0",
    memory_mib=143_771,
    sm_mhz=345,
    memory_mhz=3201,
    max_sm_mhz=1980,
)
GOOD = Fact(name="sandbox", state="ok", detail="tried", needed_for=BOTH)
NO_SANDBOX = Fact(
    name="sandbox", state="missing", detail="no\nbwrap", remedy="apt install", needed_for=BOTH
)
NO_GPU = Fact(name="GPU", state="absent", detail="none", needed_for=("cuda",))
NO_TOOL = Fact(name="ncu", state="absent", detail="not here", remedy="install it")


def fake_tool(folder, name: str, says: str, status: int = 0) -> None:
    tool = folder / name
    tool.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    tool.chmod(0o755)


@pytest.mark.parametrize(
    ("facts", "works", "modes"),
    [
        ([GOOD], True, (None, None)),
        ([GOOD, NO_TOOL], True, (None, None)),
        ([GOOD, NO_GPU], True, (None, "GPU: none")),
        ([NO_SANDBOX, NO_GPU], False, ("sandbox: no bwrap", "sandbox: no bwrap; GPU: none")),
    ],
)
def test_modes_follow_from_what_is_needed(monkeypatch, capsys, facts, works, modes):
    monkeypatch.setattr(doctor, "examine", lambda: iter(facts))
    assert tuple(why_not(facts, mode) for mode in BOTH) == modes
    assert run_doctor(as_json=True) is works
    document = json.loads(capsys.readouterr().out)
    assert tuple(document["modes"][mode]["because"] for mode in BOTH) == modes
    assert [row["name"] for row in document["facts"]] == [fact.name for fact in facts]


def test_each_fact_is_a_line_and_what_is_missing_has_a_remedy(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda: iter([GOOD, NO_SANDBOX, NO_TOOL]))
    assert run_doctor(as_json=False) is False
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("\N{CHECK MARK} sandbox")
    assert lines[1].startswith("\N{BALLOT X} sandbox")
    assert lines[2].strip().endswith("apt install")
    assert lines[3].startswith("\N{EN DASH} ncu")
    assert lines[-2:] == [
        "  cpu: no, because sandbox: no bwrap",
        "  cuda: no, because sandbox: no bwrap",
    ]


def test_this_machine_is_examined_to_the_end():
    facts = list(doctor.examine())
    names = [fact.name for fact in facts]
    wanted = ["Python", "torch", "triton", "sandbox", "seccomp", "ptxas", "memory"]
    assert names[:7] == wanted
    assert names[7] == "temporary files"
    assert names[-2:] == ["compute-sanitizer", "ncu"]
    states = {fact.name: fact.state for fact in facts}
    assert states["ptxas"] == states["torch"] == states["triton"] == "ok"
    sandboxed = open_sandbox(allow_none=True).kind == "bubblewrap"
    assert states["sandbox"] == ("ok" if sandboxed else "missing")


@pytest.mark.parametrize(("version", "state"), [((3, 10), "missing"), ((3, 14), "missing")])
def test_a_python_that_is_not_tested_is_refused(monkeypatch, version, state):
    monkeypatch.setattr(machine, "sys", SimpleNamespace(version_info=(*version, 0)))
    fact = machine.python_fact()
    assert fact.state == state
    assert "3.11 to 3.13" in fact.remedy


@pytest.mark.parametrize(
    ("version", "wanted", "state", "words"),
    [
        ("3.6.0", "3.6.0", "ok", "the one that this torch needs"),
        ("3.9.0", None, "ok", "no particular one"),
        ("3.9.0", "3.6.0", "missing", "this torch needs 3.6.0"),
        ("3.3.1", None, "missing", "too old"),
    ],
)
def test_triton_is_judged_beside_torch(version, wanted, state, words):
    fact = machine.triton_fact(version, wanted)
    assert fact.state == state
    assert words in fact.detail
    assert bool(fact.remedy) == (state == "missing")


@pytest.mark.parametrize(
    ("requires", "wanted"),
    [
        (["filelock", 'triton==3.6.0; platform_system == "Linux"'], "3.6.0"),
        (["filelock"], None),
        (None, None),
    ],
)
def test_torch_names_the_triton_it_needs(monkeypatch, requires, wanted):
    monkeypatch.setattr(machine.importlib.metadata, "requires", lambda name: requires)
    assert machine.wanted_triton() == wanted


def test_packages_that_are_not_installed_end_the_examination(monkeypatch):
    monkeypatch.setattr(machine, "_version_of", lambda package: None)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    facts = list(doctor.examine())
    assert [(fact.name, fact.state) for fact in facts[1:]] == [
        ("torch", "missing"),
        ("triton", "missing"),
    ]
    assert "pip install" in facts[1].remedy


def test_a_machine_without_a_sandbox_says_how_to_get_one(monkeypatch):
    def refuse(*, allow_none):
        raise SandboxUnavailable("no sandbox for generated code: bwrap is not installed")

    monkeypatch.setattr(machine, "open_sandbox", refuse)
    fact = machine.sandbox_fact()
    assert fact.state == "missing"
    assert "bwrap is not installed" in fact.detail
    assert "apt install bubblewrap" in fact.remedy


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ("print('a locked-down process could open a socket')", "could open a socket"),
        ("raise OSError('the kernel refuses a system-call filter')", "refuses a system-call"),
        ("pass", "without a word"),
    ],
)
def test_a_lockdown_that_does_not_hold_is_seen(monkeypatch, probe, words):
    monkeypatch.setattr(machine, "_LOCKDOWN_PROBE", probe)
    fact = machine.lockdown_fact()
    assert fact.state == "missing"
    assert words in fact.detail


@pytest.mark.parametrize(
    ("available", "group", "state"),
    [
        (8 << 30, None, "ok"),
        (None, None, "ok"),
        (8 << 30, 1 << 30, "missing"),
        (1, None, "missing"),
    ],
)
def test_memory_is_the_least_of_what_is_allowed(monkeypatch, available, group, state):
    monkeypatch.setattr(machine, "_available_bytes", lambda: available)
    monkeypatch.setattr(machine, "_group_bytes", lambda: group)
    assert machine.memory_fact().state == state


def test_a_folder_for_temporary_files_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.tempfile, "gettempdir", lambda: str(tmp_path / "gone"))
    fact = machine.temporary_fact()
    assert fact.state == "missing"
    assert "TMPDIR" in fact.remedy


def test_a_full_disk_is_told(monkeypatch):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1 << 20))
    assert "only 1 MiB free" in machine.temporary_fact().detail


@pytest.fixture
def gpu_machine(monkeypatch, tmp_path):
    """A machine with an H200 and a C compiler: `gpu_machine.problem`, `.gpus`, `.probe`."""
    state = SimpleNamespace(
        problem=None, gpus=(H200,), probe=GpuProbe(sandbox_problem=None, roofline=ROOFLINE)
    )
    fake_tool(tmp_path, "gcc", "gcc (Debian) 12.2.0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(machine_gpu, "gpu_problem", lambda: state.problem)
    monkeypatch.setattr(machine_gpu, "query_gpus", lambda: state.gpus)
    monkeypatch.setattr(machine_gpu, "probe_gpu", lambda: state.probe)
    return state


def test_a_gpu_machine_in_order(gpu_machine):
    facts = {fact.name: fact for fact in machine_gpu.gpu_facts()}
    assert {fact.state for fact in facts.values()} == {"ok"}
    for words in ("NVIDIA H200", "9.0", "140 GiB", "driver 580.1", "345 of 1980 MHz"):
        assert words in facts["GPU"].detail
    assert "12.2.0" in facts["C compiler"].detail
    assert facts["roofline"].detail == (
        "copy 4,000 GB/s, float16 matrix products 700 TFLOP/s (132 multiprocessors, 50 MiB of L2)"
    )


@pytest.mark.parametrize(
    ("changed", "name", "state", "words"),
    [
        ({"problem": "torch sees no GPU", "gpus": ()}, "GPU", "absent", "none (torch sees no GPU)"),
        ({"problem": "torch is built without CUDA"}, "GPU", "missing", "NVIDIA H200 is there, but"),
        ({"gpus": ()}, "GPU", "ok", "nvidia-smi does not describe it"),
        ({"probe": None}, "CUDA in the sandbox", "missing", "cannot be tried"),
        (
            {"probe": GpuProbe(sandbox_problem="no device node", roofline=None)},
            "CUDA in the sandbox",
            "missing",
            "no device node",
        ),
        (
            {"probe": GpuProbe(sandbox_problem=None, roofline=None)},
            "roofline",
            "absent",
            "not measured",
        ),
    ],
)
def test_what_a_gpu_machine_lacks(gpu_machine, changed, name, state, words):
    for key, value in changed.items():
        setattr(gpu_machine, key, value)
    facts = {fact.name: fact for fact in machine_gpu.gpu_facts()}
    assert facts[name].state == state
    assert words in facts[name].detail
    assert (why_not(list(facts.values()), "cuda") is None) == (name == "roofline" or state == "ok")


def test_an_old_gpu_is_refused(gpu_machine):
    gpu_machine.gpus = (dataclasses.replace(H200, compute_capability="7.0"),)
    fact = next(iter(machine_gpu.gpu_facts()))
    assert (fact.state, "8.0 or newer" in fact.remedy) == ("missing", True)


def test_the_compiler_is_the_one_that_triton_takes(gpu_machine, monkeypatch):
    monkeypatch.setenv("CC", "/no/such/cc")
    fact = machine_gpu.compiler_fact()
    assert fact.state == "missing"
    assert "CC names /no/such/cc" in fact.detail


def test_without_any_compiler_cuda_does_not_work(gpu_machine, monkeypatch, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    assert why_not(list(machine_gpu.gpu_facts()), "cuda") == "C compiler: neither gcc nor clang"


@pytest.mark.parametrize(
    ("says", "status", "state"),
    [("NVIDIA Tool Version 2025.3.1", 0, "ok"), ("broken 1.0", 1, "absent"), ("hm", 0, "absent")],
)
def test_a_tool_counts_where_it_runs(monkeypatch, tmp_path, says, status, state):
    fake_tool(tmp_path, "compute-sanitizer", says, status)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert machine_gpu.tool_fact("compute-sanitizer", "w").state == state


def test_an_assembler_that_does_not_run_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_PTXAS_PATH", str(tmp_path / "ptxas"))
    assert machine_gpu.ptxas_fact().state == "missing"
    fake_tool(tmp_path, "ptxas", "Cuda compilation tools, release 12.9, V12.9.86")
    assert machine_gpu.ptxas_fact().detail == "12.9"


def test_the_verifiers_own_trial_of_the_gpu_is_asked(monkeypatch):
    found = GpuProbe(sandbox_problem=None, roofline=None)
    module = SimpleNamespace(probe=lambda: found)
    monkeypatch.setitem(sys.modules, "runner.verifier.gpu.probe", module)
    assert machine_gpu.probe_gpu() is found


def test_a_trial_that_cannot_be_loaded_is_a_fault_and_not_an_absence(monkeypatch):
    def broken(name):
        raise ModuleNotFoundError("No module named 'cupy'", name="cupy")

    monkeypatch.setattr(machine_gpu.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError):
        machine_gpu.probe_gpu()


def test_a_roofline_names_what_was_measured():
    roofline = Roofline(
        copy_gb_per_s=3000.0, matmul_tflop_per_s={}, l2_bytes=40 << 20, multiprocessors=108
    )
    assert machine_gpu.roofline_text(roofline) == (
        "copy 3,000 GB/s (108 multiprocessors, 40 MiB of L2)"
    )
