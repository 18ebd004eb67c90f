"""The reference is foreign code too: it runs in a sandbox and is refused with a reason."""

from __future__ import annotations

import pytest
import torch

from runner.errors import ReferenceFailed
from runner.problem import parse_problem
from runner.verifier import Verifier, VerifyOptions
from runner.verifier import reference as reference_module
from runner.verifier.arena import Arena, Slot
from runner.verifier.bytewise import same_bytes
from runner.verifier.inputs import plan_cases
from runner.verifier.nearby import ASIDES
from runner.verifier.oracle import Oracle, arena_bytes
from runner.verifier.process import Start, WorkerProcess
from runner.verifier.reference import TooLarge
from runner.verifier.sandbox import open_sandbox

SOFTMAX = "return torch.softmax(x.float(), -1).to(x.dtype)"


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
def oracle_of(reference_worker, softmax_texts):
    def make(body: str, toml: str = "", keep_bytes: int = 1 << 30) -> Oracle:
        reference = f"import torch\n\n\ndef row_softmax(x):\n    {body}\n"
        problem = parse_problem(toml or softmax_texts.toml, reference)
        cases = plan_cases(problem, seed=1)
        return Oracle(problem, cases, reference_worker, timeout_s=60, keep_bytes=keep_bytes)

    return make


@pytest.fixture
def prepare(oracle_of):
    def run(body: str = SOFTMAX, toml: str = "") -> Oracle:
        oracle = oracle_of(body, toml)
        oracle.prepare()
        return oracle

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
        ("x.mul_(2); return x.softmax(-1)", "the reference changes its input x"),
        ("return torch.rand_like(x)", "the reference is not deterministic: y differs between two"),
        (
            f"assert x.shape[1] in (64, 100), 'odd size'; {SOFTMAX}",
            "drawn from the declared ranges: AssertionError: odd size (line 5); declare the range",
        ),
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


def test_expected_values_are_wiped_from_shared_memory(prepare, reference_worker):
    prepare()
    arena = reference_worker.arena
    whole = arena.tensor(Slot(dtype="uint8", shape=(arena.size_bytes,), offset=0))
    assert not bool(whole.any())


def test_what_is_not_kept_is_made_again_alike(oracle_of):
    kept, made = oracle_of(SOFTMAX), oracle_of(SOFTMAX, keep_bytes=0)
    kept.prepare()
    made.prepare()
    assert kept.case(3) is kept.case(3)
    assert made.case(3) is not made.case(3)
    assert kept.cases == made.cases
    for one, other in ((kept.case(i), made.case(i)) for i in range(len(kept.cases))):
        assert same_bytes(one.inputs["x"], other.inputs["x"])
        assert same_bytes(one.expected[0].exact, other.expected[0].exact)
        assert same_bytes(one.expected[0].honest_max, other.expected[0].honest_max)
    kept.close()
    assert kept.case(3) is not made.case(3)


def test_keeping_stops_at_the_limit(oracle_of):
    oracle = oracle_of(SOFTMAX, keep_bytes=6000)
    oracle.prepare()
    assert oracle.case(0) is oracle.case(0)
    sizes = [oracle.case(i).size_bytes for i in range(len(oracle.cases))]
    again = [oracle.case(i) is oracle.case(i) for i in range(len(oracle.cases))]
    held = [size for size, is_kept in zip(sizes, again, strict=True) if is_kept]
    assert sum(held) <= 6000 < sum(sizes)


@pytest.mark.parametrize(
    "error", ["raise MemoryError", "torch.empty(1 << 45)", "raise torch.OutOfMemoryError('CUDA')"]
)
def test_workload_too_large_for_the_reference_is_reported_and_left_out(error, prepare):
    fail = f"exec({error!r}, {{'torch': torch}}) if x.shape[1] == 100 else None"
    oracle = prepare(f"{fail}; {SOFTMAX}")
    assert set(oracle.too_large) == {"M=5 N=100"}
    assert "the reference ran out of memory" in oracle.too_large["M=5 N=100"]
    assert oracle.cases
    assert "M=5 N=100" not in {str(case.workload) for case in oracle.cases}


def test_spec_with_no_workload_that_fits_is_refused(prepare):
    with pytest.raises(ReferenceFailed, match="every workload is too large for this machine"):
        prepare("raise MemoryError")


WIDE = ("float16", "float32")


def test_float32_spec_that_half_precision_would_pass_is_refused(prepare, softmax_texts):
    toml = softmax_texts.toml.replace(*WIDE) + "\n[tolerance]\nmultiplier = 400\n"
    with pytest.raises(ReferenceFailed, match=r"an answer rounded to float16 would pass as y"):
        prepare(SOFTMAX, toml)


@pytest.mark.parametrize("body", [SOFTMAX, "return x.sign()", "return (x > 0).to(x.dtype)"])
def test_float32_spec_is_not_blamed_for_answers_that_fit_into_half(body, prepare, softmax_texts):
    prepare(body, softmax_texts.toml.replace(*WIDE))


def test_library_ops_must_be_operators(prepare, softmax_texts):
    mixed = 'policy = "mixed"\nlibrary_ops = ["mm", "no_such_thing"]\n'
    toml = softmax_texts.toml.replace('family = "softmax"\n', mixed)
    with pytest.raises(ReferenceFailed, match=r"names no operator of PyTorch: no_such_thing"):
        prepare(SOFTMAX, toml)


def test_reference_that_never_ends_is_refused(softmax_texts):
    reference = "def row_softmax(x):\n    while True: pass\n"
    problem = parse_problem(softmax_texts.toml, reference)
    options = VerifyOptions(allow_no_sandbox=True, timeout_s=1)
    with (
        Verifier(problem, options) as verifier,
        pytest.raises(ReferenceFailed, match=r"did not finish within 1 s"),
    ):
        verifier.prepare()


@pytest.fixture
def on_a_gpu(oracle_of, monkeypatch):
    """An oracle that takes the CPU for a GPU, and whose processes count what they give back."""
    made = oracle_of(SOFTMAX)
    given_back = []
    monkeypatch.setattr(made, "_device", torch.device("cuda"))
    monkeypatch.setattr(made, "give_back", lambda: given_back.append(True))
    return made, given_back


def test_a_workload_that_ran_out_of_memory_once_is_tried_again(on_a_gpu):
    """Judge and reference each keep blocks of earlier calls: the other may want that memory."""
    oracle, given_back = on_a_gpu
    tries = []

    def check():
        tries.append(len(given_back))
        if len(tries) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 12.00 GiB.")
        return True

    assert oracle._insist(check)
    assert tries == [0, 1]


def test_a_workload_that_runs_out_of_memory_twice_is_too_large(on_a_gpu):
    oracle, given_back = on_a_gpu

    def check():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 12.00 GiB.")

    with pytest.raises(TooLarge, match=r"the judge ran out of the GPU's memory: 12\.9 GB were"):
        oracle._insist(check)
    assert len(given_back) == 1


@pytest.mark.parametrize(("free_arenas", "gives"), [(1.9, True), (2.1, False)])
def test_where_a_gpu_runs_short_nobody_keeps_blocks_of_earlier_calls(
    free_arenas, gives, oracle_of, monkeypatch
):
    """Before a call the reference may want the judge's, after it the judge the reference's."""
    made = oracle_of(SOFTMAX)
    size = made.reference._worker.arena.size_bytes
    order = []
    asked = made.reference._ask
    monkeypatch.setattr(reference_module, "free_bytes", lambda device: int(free_arenas * size))
    monkeypatch.setattr(reference_module, "give_back_blocks", lambda: order.append("judge"))
    monkeypatch.setattr(made.reference, "give_back", lambda **_: order.append("reference"))
    monkeypatch.setattr(
        made.reference,
        "_ask",
        lambda job, *rest, **named: (order.append(job["op"]), asked(job, *rest, **named))[1],
    )
    made.reference.load()
    made.expect_of(made.cases[0])
    around = ["judge", "reference"] if gives else []
    calls = 2 + 2 * len(ASIDES)  # low and exact here, low and noisy beside
    assert order == ["load", *[*around, "call", *around] * calls]
