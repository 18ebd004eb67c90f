"""A tune from its configurations to the frozen source, with workers that follow a script."""

from __future__ import annotations

import time

import pytest

from runner.contract import Candidate
from runner.errors import RunnerError
from runner.problem import parse_problem
from runner.tune.declaration import read_declaration
from runner.verifier import Verifier, VerifyOptions
from runner.verifier.arena import Arena
from runner.verifier.assembler import Assembled
from runner.verifier.gpu import tuning_trials
from runner.verifier.gpu.memory_plan import worker_bytes
from runner.verifier.gpu.tuning import Ground, Tuning
from runner.verifier.gpu.tuning_crew import LoadFailed, Member, crew_size, open_crew
from runner.verifier.gpu.tuning_trials import output_room_bytes, rooms
from runner.verifier.pool import WorkerPool
from runner.verifier.process import WorkerFailed
from tests.runner.verifier.gpu.fake_tuning_worker import FakeTuner, FreeGpu, Script

SOURCE = '''\
import torch
import triton
import triton.language as tl

TUNABLES = {"BLOCK": [1, 2, 3, 4, 5, 6]}
CONFIG = {"BLOCK": 1}


def pick_config(x):
    return CONFIG


@triton.jit
def _softmax_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * n_cols + cols, mask=cols < n_cols, other=-float("inf"))
    e = tl.exp(x.to(tl.float32) - tl.max(x.to(tl.float32), 0))
    tl.store(y_ptr + row * n_cols + cols, e / tl.sum(e, 0), mask=cols < n_cols)


def row_softmax(x):
    """Softmax of each row."""
    y = torch.empty_like(x)
    _softmax_kernel[(x.shape[0],)](x, y, x.shape[1], BLOCK=pick_config(x)["BLOCK"])
    return y
'''
CANDIDATE = Candidate.of(SOURCE, 3)
WIDE = 2048
STEADY = {block: {1024: 2.0 - 0.1 * block, WIDE: 2.0 - 0.1 * block} for block in range(1, 7)}


@pytest.fixture(scope="module")
def problem(softmax_texts):
    # The CPU's oracle has memory for what is tested: the benchmarks are.
    rows = [("benchmarks", 128, WIDE), ("tests", 128, WIDE), ("tests", 256, 1024)]
    more = "".join(f"\n[[{table}]]\nM = {m}\nN = {n}\n" for table, m, n in rows)
    return parse_problem(softmax_texts.toml + more, softmax_texts.reference)


@pytest.fixture(scope="module")
def verifier(problem):
    with Verifier(problem, VerifyOptions(allow_no_sandbox=True)) as made:
        made.prepare()
        yield made


@pytest.fixture
def tune(problem, verifier):
    """Tunes by a script; `before` may change the ground."""
    arena = Arena.create(64 << 20)

    def run(script, *, seconds=30.0, size=2, candidate=CANDIDATE, **reports):
        pool = WorkerPool(lambda role: FakeTuner(script, arena))
        with open_crew(pool, "cuda-candidate", problem, candidate.source, size) as crew:
            ground = Ground(
                problem=problem,
                oracle=verifier._court._oracle,
                workloads=problem.benchmarks,
                arena=arena,
                lock=FreeGpu(),
                crew=crew,
                reports=reports.get("reports", {}),
                gpu="NVIDIA H200",
            )
            declaration = read_declaration(candidate.source, problem.entry)
            found = Tuning(ground, candidate, declaration).run(time.monotonic() + seconds)
        assert script.ended == script.started
        return found

    yield run
    arena.close()


def test_the_fastest_is_frozen_and_its_gain_told(tune):
    found = tune(Script(ms=STEADY))
    assert found.config == {"BLOCK": 6}
    assert (found.tried, found.dropped, found.timed) == (6, 0, 6)
    assert found.gain == pytest.approx(1.9 / 1.4)
    assert '# Fastest of 6 configurations on NVIDIA H200.\nCONFIG = {"BLOCK": 6}' in (
        found.candidate.source
    )
    assert "TUNABLES" not in found.candidate.source
    assert found.candidate.attempt == 3
    assert set(found.stage_s) == {"compile", "timing", "check"}
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_a_workload_that_pays_has_its_own(tune):
    ms = {block: {1024: 1.0 + 0.1 * block, WIDE: 3.0 - 0.4 * block} for block in range(1, 7)}
    found = tune(Script(ms=ms))
    assert found.config == {"BLOCK": 6}
    assert '    (256, 1024): {"BLOCK": 1},\n' in found.candidate.source
    assert f"(128, {WIDE})" not in found.candidate.source


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("compile", "does not compile"),
        ("shared", "exceeds shared memory"),
        ("wrong", "gives wrong results"),
        ("hangs in call", "hangs or dies"),
    ],
)
def test_what_fails_is_dropped_without_timing_and_the_others_go_on(tune, fault, reason):
    script = Script(ms=STEADY, faults={6: fault, 4: fault})
    found = tune(script)
    assert found.config == {"BLOCK": 5}
    assert (found.tried, found.dropped, found.timed) == (6, 2, 4)
    assert found.reasons == {reason: 2}
    assert not {4, 6} & set(script.blocks("burst"))


def test_heavy_spills_are_dropped_without_timing(tune):
    def spilled(size):
        return Assembled(registers=255, spill_bytes=size, warnings=())

    script = Script(ms=STEADY)
    reports = {"block 6": spilled(4096), "block 5": spilled(16), "block 1": spilled(2000)}
    found = tune(script, reports=reports)
    assert found.config == {"BLOCK": 5}
    assert found.reasons == {"spills heavily": 1}
    assert 1 in script.blocks("burst")


def test_a_configuration_that_hangs_while_timed_costs_no_other(tune):
    script = Script(ms=STEADY, faults={6: "hangs in burst"})
    found = tune(script)
    assert found.config == {"BLOCK": 5}
    assert found.timed == 5
    assert script.started == 3  # one in place of the one that hung


def test_the_fastest_must_be_right_on_the_tests_as_well(tune):
    found = tune(Script(ms=STEADY, wrong_on_tests=frozenset({5, 6})))
    assert found.config == {"BLOCK": 4}
    assert found.reasons == {"gives wrong results": 2}


def test_where_nothing_is_faster_the_candidate_stays_as_it_is(tune):
    found = tune(Script(ms={block: {1024: 1.0, WIDE: 1.0} for block in range(1, 7)}))
    assert found.candidate == CANDIDATE
    assert found.timed == 6
    assert found.config == {"BLOCK": 1}
    assert found.gain == 1.0
    assert "none of 6 timed configurations is faster than the default" in found.note


def test_a_default_that_cannot_run_leaves_the_candidate_as_it_is(tune):
    found = tune(Script(ms=STEADY, faults={1: "compile"}))
    assert found.candidate == CANDIDATE
    assert found.timed == 0
    assert found.note == "the default configuration does not compile: bad"


def test_without_time_nothing_is_started(tune):
    script = Script(ms=STEADY)
    found = tune(script, seconds=1.0)
    assert found.candidate == CANDIDATE
    assert (found.tried, found.timed, script.log) == (0, 0, [])
    assert "no time left" in found.note


def test_each_configuration_is_timed_where_it_was_compiled(tune):
    script = Script(ms=STEADY)
    tune(script)
    owners = {}
    for worker, operation, block in script.log:
        if operation != "load":
            owners.setdefault(block, set()).add(worker)
    assert all(len(workers) == 1 for workers in owners.values())


def test_a_candidate_that_cannot_be_imported_stays_as_it_is(tune, monkeypatch):
    refused = {"ok": False, "type": "NameError", "message": "name 'q' is not defined", "line": 2}
    ask = FakeTuner.ask

    def refuse(worker, job, deadline):
        return refused if job["op"] == "load" else ask(worker, job, deadline)

    monkeypatch.setattr(FakeTuner, "ask", refuse)
    found = tune(Script(ms=STEADY))
    assert found.candidate == CANDIDATE
    assert "cannot be imported: kernel.py:2: NameError" in found.note


def test_once_the_pool_is_closed_a_member_asks_nobody(problem):
    script = Script(ms=STEADY)
    pool = WorkerPool(lambda role: FakeTuner(script, Arena.create(4096)))
    member = Member(pool, "cuda-candidate", problem, SOURCE)
    pool.close()
    with pytest.raises(RunnerError, match="closed"):
        member.ask({"BLOCK": 1}, {"op": "call"}, time.monotonic() + 5)


@pytest.mark.parametrize(
    ("cores", "free", "size"),
    [(1, 100, 1), (8, 100, 2), (16, 100, 4), (64, 100, 4), (64, 25, 2), (64, 1, 1)],
)
def test_the_crew_is_as_large_as_cores_and_memory_allow(monkeypatch, cores, free, size):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: range(cores))
    assert crew_size(free << 30, 10 << 30) == size


def test_every_member_has_room_for_its_outputs(problem):
    workload = problem.benchmarks[0]
    one = output_room_bytes(problem, workload)
    assert rooms(problem, workload, 4 * one) == 3
    assert rooms(problem, workload, one) == 1
    assert worker_bytes(problem, problem.benchmarks) > 3 * one


def start_real(verifier, problem, size=1):
    """Real workers of the CPU's role: they load, configure and call as those on a GPU."""
    pool = WorkerPool(verifier._court._start)
    return open_crew(pool, "candidate", problem, SOURCE, size)


def test_a_real_worker_runs_the_kernel_with_each_configuration(verifier, problem):
    """In the interpreter: a block that is too short for the row is wrong, a long one is right."""
    configs = [{"BLOCK": 128}, {"BLOCK": 32}, {"BLOCK": 48}]
    oracle = verifier._court._oracle
    place = next(n for n, case in enumerate(oracle.cases) if case.workload.axes["N"] == 64)
    with start_real(verifier, problem) as crew:
        member = crew._members[0]
        member.start()
        trial = tuning_trials.Trial(problem, member._worker.arena, crew, configs, {})
        trial.run(oracle.case(place), range(3), time.monotonic() + 60)
        assert trial.alive(range(3)) == [0]
        assert trial.found.reasons[1] == tuning_trials.WRONG
        assert trial.found.reasons[2] == tuning_trials.RUN
        assert member.age == 1


def test_a_real_worker_that_hangs_is_replaced(verifier, problem):
    loops = SOURCE.replace("    y = torch.empty_like(x)\n", "    y = torch.empty_like(x)\n"
                           "    while pick_config(x)['BLOCK'] == 7:\n        pass\n")  # fmt: skip
    pool = WorkerPool(verifier._court._start)
    with open_crew(pool, "candidate", problem, loops, 1) as crew:
        member = crew._members[0]
        worker = member._worker
        slot = {"dtype": "float16", "shape": [3, 64], "offset": 0}
        job = {"op": "call", "inputs": [slot], "outputs_at": 4096, "precise": False, "seed": 1}
        worker.wait_ready()
        with pytest.raises(WorkerFailed) as failed:
            member.ask({"BLOCK": 7}, job, time.monotonic() + 1.0)
        assert failed.value.kind == "timeout"
        assert not worker.alive()
        assert member.ask({"BLOCK": 64}, job, time.monotonic() + 30)["ok"] is True
        assert member.age == 2


def test_a_source_that_raises_is_told_at_the_first_question(verifier, problem):
    pool = WorkerPool(verifier._court._start)
    with (
        open_crew(pool, "candidate", problem, "raise ValueError('no')\n", 1) as crew,
        pytest.raises(LoadFailed, match=r"kernel.py:1: ValueError: no"),
    ):
        crew._members[0].ask({"BLOCK": 7}, {"op": "call"}, time.monotonic() + 30)


def test_without_a_gpu_nothing_is_tuned(verifier):
    assert verifier.tune(CANDIDATE, 60.0) is None
