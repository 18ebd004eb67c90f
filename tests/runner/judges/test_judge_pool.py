"""Judges in processes of their own: real processes and pipes, a scripted verifier, no GPU."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.contract import Candidate, EvaluationStatus
from runner.errors import ReferenceFailed, RunnerError
from runner.judges import Device, JudgePool
from runner.problem import parse_problem
from runner.verifier import VerifyOptions
from tests.fakes.scripted_judge import ROOFLINE

ROOT = Path(__file__).parents[3]
TOML = """\
name = "relu"
entry = "relu"
summary = "Rectifier"
family = "elementwise"
[axes]
N = [1, 4096]
[[inputs]]
name = "x"
shape = ["N"]
dtype = "float32"
[[outputs]]
name = "y"
shape = ["N"]
dtype = "float32"
[[tests]]
N = 77
[[benchmarks]]
N = 64
"""
PROBLEM = parse_problem(TOML, "def relu(x):\n    return x.relu()\n")
OPTIONS = VerifyOptions(device="cuda", allow_no_sandbox=True)


def candidate(source):
    return Candidate.of(source, 1)


@pytest.fixture
def make_pool(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pools = []

    def make(count=1, kind="usual", names=None):
        names = names or ["NVIDIA H200"] * count
        devices = [Device(index=n, uuid=f"GPU-{n}", name=name) for n, name in enumerate(names)]
        command = (sys.executable, "-m", "tests.fakes.scripted_judge", str(tmp_path), kind)
        pools.append(JudgePool(PROBLEM, OPTIONS, devices, command))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def seen(evaluation):
    """Which GPU the process saw, its number and what it was asked for."""
    return next(c.detail for c in evaluation.checks if c.name == "seen by the judge").split()


def test_a_verdict_comes_back_whole_with_the_gpu_on_record(make_pool):
    pool = make_pool()
    verdict = pool.verify(candidate("pass"))
    assert verdict.status is EvaluationStatus.PASSED
    assert verdict.performance is not None
    assert seen(verdict)[0] == "GPU-0"
    assert verdict.checks[-1].name == "judged on"
    assert verdict.checks[-1].detail == "NVIDIA H200, index 0, GPU-0"
    assert (pool.sandbox, pool.device) == ("none", "cuda")
    assert pool.rank(verdict)[0] == 0.0


def test_a_bad_candidate_is_data_and_finalize_is_another_question(make_pool):
    pool = make_pool()
    assert pool.verify(candidate("fail")).status is EvaluationStatus.TIMEOUT
    assert seen(pool.finalize(candidate("pass")))[2] == "finalize"


def test_a_tune_keeps_the_types_of_its_configuration(make_pool):
    pool = make_pool()
    tuned = pool.tune(candidate("tune"), 12.5)
    assert tuned.config == {"BLOCK": 64, "fast": True, "kind": None}
    assert tuned.config["fast"] is True
    assert tuned.note == "12.5 s left"
    assert pool.tune(candidate("plain"), 1.0) is None


def test_candidates_go_to_the_judges_that_are_free(make_pool):
    pool = make_pool(2)
    pool.prepare()
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(pool.verify, candidate("pass sleep"))
        while pool._free.qsize() > 1:
            time.sleep(0.01)
        quick = {seen(pool.verify(candidate("pass")))[0] for _ in range(3)}
        assert len(quick) == 1
        assert not slow.done()
        pool.abandon()
        assert {seen(slow.result(10))[0]} | quick == {"GPU-0", "GPU-1"}


def test_prepare_reaches_every_judge(make_pool, tmp_path):
    make_pool(2).prepare()
    notes = (tmp_path / "notes").read_text().splitlines()
    assert sorted(notes) == ["prepared GPU-0", "prepared GPU-1"]


def test_a_judge_that_dies_is_started_again_and_asked_again(make_pool):
    pool = make_pool()
    before = seen(pool.verify(candidate("pass")))[1]
    verdict = pool.verify(candidate("pass die one"))
    assert verdict.status is EvaluationStatus.PASSED
    assert seen(verdict)[1] != before


def test_a_candidate_that_ends_two_judges_is_the_machines_fault(make_pool):
    pool = make_pool()
    with pytest.raises(RunnerError, match=r"the judge on NVIDIA H200, .* twice in a row"):
        pool.verify(candidate("always-die"))
    assert pool.verify(candidate("pass")).status is EvaluationStatus.PASSED


def test_garbage_in_place_of_a_reply_is_a_death(make_pool):
    with pytest.raises(RunnerError, match="said what is no reply, twice"):
        make_pool().verify(candidate("pass lie"))


@pytest.mark.parametrize(
    ("kind", "error", "sentence"),
    [
        ("bad-reference", ReferenceFailed, "the reference raises"),
        ("no-gpu", RunnerError, "PyTorch sees none"),
        ("mixed", RunnerError, r"different kinds .NVIDIA A100, NVIDIA H200"),
    ],
)
def test_what_stops_a_judge_stops_the_pool_in_the_same_words(make_pool, kind, error, sentence):
    with pytest.raises(error, match=sentence):
        make_pool(2, kind).prepare()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [("machine", "^the machine is at fault$"), ("surprise", "ValueError: nobody foresaw this")],
)
def test_errors_of_the_machine_come_through(make_pool, word, sentence):
    pool = make_pool()
    with pytest.raises(RunnerError, match=sentence):
        pool.verify(candidate(word))
    assert pool.verify(candidate("pass")).status is EvaluationStatus.PASSED


def test_gpus_of_two_kinds_make_no_pool(make_pool):
    with pytest.raises(RunnerError, match="different kinds"):
        make_pool(names=["NVIDIA H200", "NVIDIA A100"])


def test_close_ends_a_verdict_under_way_and_every_process(make_pool, tmp_path):
    pool = make_pool(2)
    pool.prepare()
    running = [judge._process.pid for judge in pool._judges]
    found = []

    def ask():
        try:
            found.append(pool.verify(candidate("fail sleep")))
        except RunnerError as error:
            found.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]  # one of them waits for a judge
    for thread in threads:
        thread.start()
    while pool._free.qsize():
        time.sleep(0.01)
    pool.close()
    for thread in threads:
        thread.join(10)
    assert len(found) == 3
    for pid in running:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert (tmp_path / "notes").read_text().count("closed") == 2
    with pytest.raises(RunnerError, match="closed"):
        pool.verify(candidate("pass"))


def test_a_real_verifier_judges_in_a_process_of_its_own(monkeypatch):
    """On the CPU, where the GPU that it is given means nothing."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    kernel = (ROOT / "tests/adversarial/problems/relu/reference.py").read_text()
    device = Device(index=0, uuid="GPU-0", name="NVIDIA H200")
    options = VerifyOptions(device="cpu", allow_no_sandbox=True, quick=True)
    with JudgePool(PROBLEM, options, [device]) as pool:
        pool.prepare()
        assert pool.device == "cpu"
        verdict = pool.verify(candidate(kernel))
        assert verdict.status is EvaluationStatus.REJECTED
        assert verdict.candidate_sha256 == candidate(kernel).sha256
        assert pool.tune(candidate(kernel), 10.0) is None


def test_the_pool_says_what_its_gpus_were_measured_to_do(make_pool):
    pool = make_pool(2)
    assert pool.roofline is None
    pool.prepare()
    assert pool.roofline == ROOFLINE
