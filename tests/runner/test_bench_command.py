"""The `bench` command: times on a GPU, and a verdict where there is nothing to time."""

from __future__ import annotations

import json

import pytest

from runner import cli
from runner.contract import Candidate
from tests.fakes.measured import measured
from tests.fakes.scripted_verifier import install


@pytest.fixture
def machine(monkeypatch, fakes, cpu_environment):
    """A machine whose verifier follows a script (`tests.fakes.scripted_verifier`)."""
    monkeypatch.delenv("KERNELWRIGHT_ALLOW_NO_SANDBOX", raising=False)
    return install(monkeypatch, fakes.Judge, cpu_environment)


@pytest.fixture
def kernel(double_it_folder):
    """The problem's folder, with a kernel in it."""
    (double_it_folder / "kernel.py").write_text("def double_it(x): ...\n")
    return double_it_folder


def run(*arguments) -> int:
    return cli.main([str(argument) for argument in arguments])


def one_complaint(capsys) -> str:
    """The single line on stderr; nothing on stdout."""
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


def test_without_a_gpu_it_is_one_sentence_and_exit_2(machine, kernel, capsys):
    assert run("bench", kernel) == 2
    assert "there is no GPU to use" in one_complaint(capsys)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_bench_prints_the_times_of_the_final_measurement(machine, kernel, capsys, flags):
    machine.gpu = True
    machine.finals = [measured()]
    assert run("bench", kernel, "--rounds", 7, *flags) == 0
    shown = capsys.readouterr().out
    assert (machine.options.device, machine.options.rounds) == ("cuda", 7)
    assert machine.closed == 1
    if flags:
        document = json.loads(shown)
        timing = document["evaluations"][0]["performance"]["timings"][0]
        assert timing["baselines"][0]["ratio_low"] == 1.9
        assert document["environment"]["sandbox"] == "bubblewrap"
    else:
        for words in ("2.000 [1.900, 2.100]", "faster", "2,000", "50%", "memory", "0.4 ms"):
            assert words in shown


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_bench_of_a_kernel_that_fails_is_its_verdict(machine, kernel, capsys, fakes, flags):
    machine.gpu = True
    machine.finals = [fakes.evaluation("INCORRECT_NUMERICAL", Candidate.of("x\n", 1))]
    assert run("bench", kernel, *flags) == 1
    assert "INCORRECT_NUMERICAL" in capsys.readouterr().out


def test_bench_of_a_file_that_is_no_text_is_its_verdict(machine, kernel, capsys):
    machine.gpu = True
    (kernel / "kernel.py").write_bytes(b"\xff")
    assert run("bench", kernel) == 1
    assert "REJECTED" in capsys.readouterr().out


def test_bench_that_could_time_nothing_says_so(machine, kernel, capsys):
    machine.gpu = True
    machine.finals = [measured(performance=None)]
    assert run("bench", kernel) == 2
    assert "no workload could be timed" in one_complaint(capsys)
