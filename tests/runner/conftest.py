"""Fakes for the loop: a clock, a model and a judge that follow a script. Handed out as fixtures."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from runner.contract import (
    Candidate,
    Correctness,
    Environment,
    Evaluation,
    EvaluationStatus,
    KernelResources,
    OutputError,
    TokenUsage,
    Workload,
)
from runner.errors import ModelExhausted
from runner.model import Answer
from runner.problem import parse_problem
from tests.fakes.scripted_verifier import install

PROBLEM_TOML = """\
name = "double_it"
entry = "double_it"
summary = "Twice the input"
family = "elementwise"
policy = "triton-only"
baselines = ["eager"]
hints = "One pass."

[axes]
N = [1, 100000]

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
[[tests]]
N = 1000
[[benchmarks]]
N = 65536
"""
REFERENCE_PY = '''\
"""Twice the input."""


def double_it(x):
    return x * 2
'''


def make_evaluation(
    status: str, candidate: Candidate, *, spills: int = 0, detail: str = ""
) -> Evaluation:
    """An evaluation as the verifier would give it; a PASSED one carries its figures."""
    workload = Workload(axes={"N": 77})
    case = OutputError(
        workload=workload,
        distribution="normal",
        output="y",
        elements=77,
        wrong_elements=0,
        max_error=1e-7,
        max_budget=1e-6,
        rms_error=1e-8,
        rms_budget=1e-7,
        worst_index=(3,),
    )
    resources = KernelResources(
        kernel="kernel",
        workload=workload,
        target="sm_90",
        registers=32,
        spill_bytes=spills,
        shared_bytes=0,
        num_warps=4,
        num_stages=3,
    )
    passed = status == EvaluationStatus.PASSED
    return Evaluation(
        status=EvaluationStatus(status),
        candidate_sha256=candidate.sha256,
        device="cpu",
        stage="integrity" if passed else "correctness",
        summary=f"{status} summary of attempt {candidate.attempt}",
        detail=detail,
        correctness=Correctness(cases=(case,)) if passed else None,
        resources=(resources,) if passed else (),
        stage_s={"correctness": 0.5},
    )


class FakeClock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


class ScriptedModel:
    """Answers in order; an exception in the script is raised, a callable is called for its answer.

    Keeps the prompts. Where the script ends it behaves like a transcript that is exhausted.
    """

    def __init__(self, script, *, clock=None, seconds: float = 0.0) -> None:
        self.script = list(script)
        self.prompts = []
        self.clock = clock
        self.seconds = seconds
        self.closed = False
        self.name = "scripted"

    async def answer(self, prompt, progress=None):
        self.prompts.append(prompt)
        if self.clock is not None:
            self.clock.advance(self.seconds)
        if not self.script:
            raise ModelExhausted("the script is at its end")
        step = self.script.pop(0)
        if callable(step):
            step = await step(prompt)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Answer):
            return step
        return make_answer(step)

    async def close(self) -> None:
        self.closed = True


class ScriptedJudge:
    """Verdicts in order: a status, (status, spills), an Evaluation, an exception, or a callable.

    Keeps the candidates. The rank is the spilled bytes.
    """

    def __init__(self, script) -> None:
        self.script = list(script)
        self.candidates = []
        self.known = {}

    def verify(self, candidate):
        evaluation = self._verdict(candidate)
        self.known[candidate.sha256] = evaluation
        return evaluation

    def finalize(self, candidate):
        return self.known[candidate.sha256]

    def _verdict(self, candidate):
        self.candidates.append(candidate)
        step = self.script.pop(0)
        if callable(step):
            step = step(candidate)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Evaluation):
            return step
        status, spills = step if isinstance(step, tuple) else (step, 0)
        return make_evaluation(
            status, candidate, spills=spills, detail=f"detail of attempt {candidate.attempt}"
        )

    def rank(self, evaluation):
        return (float(evaluation.resources[0].spill_bytes),)


def make_answer(content: str, **fields) -> Answer:
    return Answer(
        **{
            "model": "scripted",
            "content": content,
            "reasoning": "",
            "tokens": TokenUsage(prompt_tokens=10, completion_tokens=20),
            **fields,
        }
    )


def kernel_answer(tag: str, entry: str = "double_it") -> str:
    """An answer with a kernel whose source is unique for `tag`."""
    source = f"# {tag}\ndef {entry}(x):\n    return x.{tag}\n"
    return f"Here it is.\n\n```python\n{source}```\n"


@pytest.fixture
def fakes() -> SimpleNamespace:
    """The fakes and builders of this file."""
    return SimpleNamespace(
        Clock=FakeClock,
        Model=ScriptedModel,
        Judge=ScriptedJudge,
        answer=make_answer,
        kernel_answer=kernel_answer,
        evaluation=make_evaluation,
    )


@pytest.fixture
def double_it():
    """A small problem, parsed."""
    return parse_problem(PROBLEM_TOML, REFERENCE_PY)


@pytest.fixture
def double_it_folder(tmp_path):
    """The same problem as a folder."""
    folder = tmp_path / "double_it"
    folder.mkdir()
    (folder / "problem.toml").write_text(PROBLEM_TOML)
    (folder / "reference.py").write_text(REFERENCE_PY)
    return folder


@pytest.fixture
def cpu_environment() -> Environment:
    return Environment(
        gpu=None,
        driver=None,
        cuda=None,
        torch="2.13.0",
        triton="3.9.0",
        python="3.11.7",
        sandbox="bubblewrap",
    )


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
