"""The `bench` command: times on a GPU, and a verdict where there is nothing to time."""

from __future__ import annotations

import json

import pytest

from runner.contract import Candidate
from tests.fakes.command_line import one_complaint, run
from tests.fakes.measured import measured


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
