"""The reference is foreign code too: it runs in a sandbox and is refused with a reason."""

from __future__ import annotations

import pytest
import torch

from runner.errors import ReferenceFailed
from runner.problem import parse_problem
from runner.verifier import Verifier, VerifyOptions
from runner.verifier.arena import Arena
from runner.verifier.inputs import plan_cases
from runner.verifier.oracle import arena_bytes, prepare_cases
from runner.verifier.process import Start, WorkerProcess
from runner.verifier.sandbox import open_sandbox


@pytest.fixture(scope="module")
def reference_worker(softmax_problem):
    """One worker for references that are harmless, however wrong."""
    cases = plan_cases(softmax_problem, seed=1)
    arena = Arena.create(8 * arena_bytes(softmax_problem, cases, wide=True))
    sandbox = open_sandbox(allow_none=True)
    worker = WorkerProcess(Start(role="reference", sandbox=sandbox, arenas=(arena,), cpu_s=120))
    yield worker
    worker.close()


@pytest.fixture
def prepare(reference_worker, softmax_texts):
    def run(body: str = "return torch.softmax(x.float(), -1).to(x.dtype)", toml: str = ""):
        reference = f"import torch\n\n\ndef row_softmax(x):\n    {body}\n"
        problem = parse_problem(toml or softmax_texts.toml, reference)
        return prepare_cases(problem, plan_cases(problem, seed=1), reference_worker, 60)

    return run


def test_oracle_is_float64_even_where_the_reference_casts(prepare):
    case = prepare().case(0)
    truth = torch.softmax(case.inputs["x"].double(), -1)
    # What float32 in the middle would have cost is 1e-8; float64 arithmetic differs by 1e-17.
    assert float((case.expected[0].exact - truth).abs().max()) < 1e-15
    assert case.expected[0].dtype is torch.float16


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return torch.softmax(x.float(), -1)", "returns y as float32; the spec says float16"),
        ("return x[1:]", "returns y of shape [2, 64]; the spec says [3, 64]"),
        ("return x, x", "returns tuple; the spec has 1 output"),
        ("return None", "returns NoneType for y, not a tensor"),
        ("return x.no_such_thing", "AttributeError: 'Tensor' object has no attribute"),
        ("raise SystemExit(0)", "SystemExit"),
        ("return torch.zeros_like(x)", "all zeros would pass as y on every case"),
        ("return x.clone()", "a copy of x would pass as y on every case"),
        ("return torch.full_like(x, 3)", "one constant would pass as y on every case"),
        ("open('/etc/shadow').read()", "Error"),
        ("import socket; socket.socket()", "Operation not permitted"),
        ("import subprocess; subprocess.run(['true'])", "Operation not permitted"),
    ],
)
def test_faulty_reference_is_refused_with_the_reason(body, reason, prepare):
    with pytest.raises(ReferenceFailed) as caught:
        prepare(body)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tolerance_that_lets_anything_pass_is_refused(prepare, softmax_texts):
    toml = softmax_texts.toml + "\n[tolerance]\nmultiplier = 1000\n"
    # In its own dtypes this reference is off by one, in float64 it is not.
    off = "float(torch.zeros((), dtype=torch.float32).element_size() == 4)"
    body = f"return torch.softmax(x.float(), -1).to(x.dtype) + {off}"
    with pytest.raises(ReferenceFailed, match="cannot tell right from wrong"):
        prepare(body, toml)


def test_reference_that_never_ends_is_refused(softmax_texts):
    reference = "def row_softmax(x):\n    while True: pass\n"
    problem = parse_problem(softmax_texts.toml, reference)
    options = VerifyOptions(allow_no_sandbox=True, timeout_s=1)
    with (
        Verifier(problem, options) as verifier,
        pytest.raises(ReferenceFailed, match=r"did not finish within 1 s"),
    ):
        verifier.prepare()
