"""The `verify` command: exit codes, what it prints, and the page it writes."""

from __future__ import annotations

import errno
import json
import sys

import pytest

from runner import verify_command
from runner.contract import Candidate, sha256_hex
from tests.fakes.command_line import one_complaint, run
from tests.fakes.measured import measured


@pytest.mark.parametrize(
    ("status", "code"), [("PASSED", 0), ("REJECTED", 1), ("COMPILE_ERROR", 1), ("TIMEOUT", 1)]
)
def test_verify_exit_code_is_the_verdict(machine, double_it_folder, capsys, status, code):
    machine.verdicts = [status]
    (double_it_folder / "kernel.py").write_text("def double_it(x): ...\n")
    assert run("verify", double_it_folder) == code
    shown = capsys.readouterr().out
    assert status in shown
    assert "not measured: no GPU" in shown
    assert machine.closed == 1


def test_verify_as_json_prints_one_object_and_nothing_else(machine, double_it_folder, capsys):
    machine.verdicts = ["PASSED"]
    kernel = double_it_folder / "other.py"
    kernel.write_bytes(b"# \xc3\xbc\r\n")
    code = run("verify", double_it_folder, "--kernel", kernel, "--json", "--timeout", "7.5")
    assert code == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    parts = {"status", "problem", "device", "evaluations", "environment", "seconds"}
    assert set(document) == parts
    assert document["environment"]["sandbox"] == "bubblewrap"
    assert (document["status"], document["problem"], document["device"]) == (
        "PASSED",
        "double_it",
        "cpu",
    )
    # The digest is the file's own, line endings included.
    assert document["evaluations"][0]["candidate_sha256"] == sha256_hex(kernel.read_bytes())
    assert document["seconds"]["total"] >= 0
    assert captured.err == ""
    assert machine.options.timeout_s == 7.5


def test_verify_of_a_file_that_is_no_text_is_a_verdict(machine, double_it_folder, capsys):
    (double_it_folder / "kernel.py").write_bytes(b"\x7fELF\xff\xfe")
    assert run("verify", double_it_folder, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == "REJECTED"
    assert "not UTF-8" in document["evaluations"][0]["summary"]


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_verify_without_a_kernel_is_misuse(machine, double_it_folder, capsys, flags):
    assert run("verify", double_it_folder, *flags) == 2
    assert "cannot read" in one_complaint(capsys)


def test_a_verdict_cannot_drive_the_terminal(machine, double_it_folder, capsys, fakes):
    hostile = "\x1b[2Jline\n  [red]two[/red]"
    machine.verdicts = [fakes.evaluation("COMPILE_ERROR", Candidate.of("x\n", 1), detail=hostile)]
    (double_it_folder / "kernel.py").write_text("x\n")
    assert run("verify", double_it_folder) == 1
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "  [red]two[/red]" in shown


@pytest.mark.parametrize(
    ("flags", "gpu", "device", "quick"),
    [
        ([], False, "cpu", False),
        ([], True, "cuda", False),
        (["--device", "cpu"], True, "cpu", False),
        (["--device", "cuda", "--quick"], True, "cuda", True),
    ],
)
def test_verify_hands_on_where_and_how(machine, kernel, flags, gpu, device, quick):
    machine.verdicts = ["PASSED"]
    machine.gpu = gpu
    assert run("verify", kernel, *flags) == 0
    assert (machine.options.device, machine.options.quick) == (device, quick)


def test_a_gpu_that_is_not_there_is_exit_2(machine, kernel, capsys):
    assert run("verify", kernel, "--device", "cuda") == 2
    assert "there is no GPU to use" in one_complaint(capsys)


def test_verify_writes_a_page(machine, kernel, tmp_path, capsys):
    machine.verdicts = ["PASSED"]
    page = tmp_path / "why.html"
    assert run("verify", kernel, "--html", page) == 0
    assert "def double_it(x): ..." in page.read_text()
    assert f"written: {page}" in capsys.readouterr().out.replace("\n", "")


def test_a_page_beside_json_leaves_stdout_to_json(machine, kernel, tmp_path, capsys):
    machine.verdicts = ["COMPILE_ERROR"]
    page = tmp_path / "why.html"
    assert run("verify", kernel, "--html", page, "--json") == 1
    assert json.loads(capsys.readouterr().out)["status"] == "COMPILE_ERROR"
    assert "COMPILE_ERROR" in page.read_text()


def test_a_page_for_a_file_that_is_no_text(machine, kernel, tmp_path):
    (kernel / "kernel.py").write_bytes(b"\xff")
    assert run("verify", kernel, "--html", tmp_path / "why.html") == 1
    assert "not UTF-8 text" in (tmp_path / "why.html").read_text()


def test_a_page_that_cannot_be_written_is_known_before_the_verdict(
    machine, kernel, tmp_path, capsys
):
    assert run("verify", kernel, "--html", tmp_path / "no" / "such" / "why.html") == 2
    assert "cannot write" in one_complaint(capsys)
    assert machine.options is None


def test_a_verdict_without_a_sandbox_says_so(machine, kernel, monkeypatch, cpu_environment, capsys):
    machine.verdicts = ["PASSED"]
    bare = cpu_environment.model_copy(update={"sandbox": "none"})
    there = sys.modules["runner.environment"]
    monkeypatch.setattr(there, "collect_environment", lambda *, device, sandbox: bare)
    assert run("verify", kernel) == 0
    assert "sandbox: none" in capsys.readouterr().out


def test_a_verdict_in_a_sandbox_says_nothing_of_it(machine, kernel, capsys):
    machine.verdicts = ["PASSED"]
    assert run("verify", kernel) == 0
    assert "sandbox: none" not in capsys.readouterr().out


def test_a_page_that_cannot_be_written_after_all_leaves_the_verdict(
    machine, kernel, tmp_path, monkeypatch, capsys
):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(verify_command, "write_atomically", full)
    machine.verdicts = ["PASSED"]
    assert run("verify", kernel, "--html", tmp_path / "why.html") == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("PASSED  double_it")
    assert "cannot write" in captured.err


def test_a_page_that_is_a_folder_is_known_before_the_verdict(machine, kernel, tmp_path, capsys):
    assert run("verify", kernel, "--html", tmp_path) == 2
    assert one_complaint(capsys).endswith("it is a folder")
    assert machine.options is None


def test_a_long_verdict_shows_the_worst_of_each_workload(machine, kernel, capsys):
    evaluation = measured(device="cpu", performance=None)
    (case,) = evaluation.correctness.cases
    cases = [case.model_copy(update={"distribution": f"kind {n}"}) for n in range(20)]
    worst = cases[7].model_copy(update={"max_error": 9e-7})
    many = evaluation.correctness.model_copy(update={"cases": (*cases, worst)})
    machine.verdicts = [evaluation.model_copy(update={"correctness": many})]
    assert run("verify", kernel) == 0
    shown = capsys.readouterr().out
    assert "the worst of 21 comparisons" in shown
    assert "90%" in shown
    assert "kind 7" in shown
    assert "kind 8" not in shown
