"""Verdicts where the task is a class: honest candidates pass, and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from runner.cli import main
from runner.contract import Candidate, Evaluation, EvaluationStatus
from runner.errors import ReferenceFailed, RunnerError
from runner.suites import open_suite
from runner.verifier import Verifier, VerifyOptions

pytestmark = pytest.mark.usefixtures("sandboxed")

Judge = Callable[[str, str], Evaluation]


@pytest.fixture(scope="session")
def sandboxed():
    """Skips where no sandbox can be made, with the reason."""
    from runner.verifier.sandbox import open_sandbox

    if open_sandbox(allow_none=True).kind == "none":
        pytest.skip("needs bubblewrap (Debian package bubblewrap) and user namespaces")


@pytest.fixture(scope="module")
def judge(looking) -> Iterator[Judge]:
    """`judge(key, kernel)`; one verifier for each problem: warm workers are dear."""
    open_now: dict[str, Verifier] = {}
    with ExitStack() as stack:

        def verdict(key: str, kernel: str) -> Evaluation:
            if key not in open_now:
                verifier = Verifier(looking.problem(key), VerifyOptions(seed=5))
                open_now[key] = stack.enter_context(verifier)
            return open_now[key].verify(Candidate.of(looking.kernel(kernel), 1))

        yield verdict


HONEST = [
    ("1/4", "norm.py", 7),  # parameters by name
    ("1/4", "norm_other_names.py", 7),  # by position
    ("2/1", "dropout.py", 7),  # the mask is the library's, under the judge's seed
    ("2/1", "dropout_packed.py", 6),  # by seed: other parameters are not asked of it
    ("1/4", "norm_one_more_parameter.py", 7),  # by seed, but for what no seed makes differ
    ("1/1", "relu_reused_output.py", 6),  # what it holds is an answer, but the last one
]
WRONG = [
    ("1/1", "relu_copy.py", "INCORRECT_NUMERICAL", "[normal inputs]"),
    ("1/1", "relu_cached.py", "INCORRECT_NUMERICAL", "[as given 2]"),
    ("1/1", "relu_patches_torch.py", "REJECTED", "patches torch.relu"),
    ("1/4", "norm_without_parameters.py", "INCORRECT_NUMERICAL", "[other parameters]"),
    ("1/4", "norm_changes_parameters.py", "CHEATED", "changed its input p_norm_weight"),
    ("1/4", "norm_other_names_swapped.py", "INCORRECT_NUMERICAL", "every element wrong"),
    ("2/1", "dropout_packed_without_bias.py", "INCORRECT_NUMERICAL", "wrong"),
    ("2/1", "dropout_decoy.py", "CHEATED", "the library did 3 operations, at most 2"),
    ("1/4", "norm_no_parameters.py", "INCORRECT_NUMERICAL", "[other parameters]"),
    ("2/1", "dropout_mask_of_init.py", "INCORRECT_NUMERICAL", "[as given 1]"),
    ("2/1", "dropout_mask_by_seed.py", "INCORRECT_NUMERICAL", "[as given 2]"),
    ("2/2", "conv_decoy.py", "CHEATED", "its kernels add nothing"),
    *(
        pytest.param(*row, marks=pytest.mark.matrix)  # seconds each, and others are like them
        for row in (
            ("1/1", "relu_zeros.py", "INCORRECT_NUMERICAL", "every element wrong"),
            ("2/1", "dropout_left_out.py", "INCORRECT_NUMERICAL", "every element wrong"),
        )
    ),
]


@pytest.mark.parametrize(("key", "kernel", "comparisons"), HONEST)
def test_an_honest_candidate_passes(judge, key, kernel, comparisons):
    evaluation = judge(key, kernel)
    assert evaluation.status is EvaluationStatus.PASSED, evaluation.detail
    assert evaluation.correctness is not None
    assert len(evaluation.correctness.cases) == comparisons


@pytest.mark.parametrize(("key", "kernel", "status", "words"), WRONG)
def test_what_is_wrong_is_named(judge, key, kernel, status, words):
    evaluation = judge(key, kernel)
    assert (evaluation.status, words in evaluation.summary) == (status, True), evaluation.summary


def test_a_missing_parameter_is_named(judge):
    evaluation = judge("1/4", "norm_no_parameters.py")
    assert "no parameter for norm.bias, norm.weight" in evaluation.detail


@pytest.mark.parametrize(
    ("key", "error", "reason"),
    [
        ("1/11", ReferenceFailed, "not deterministic: out differs .* under the same seed"),
        ("1/12", ReferenceFailed, "cannot tell right from wrong: all zeros would pass"),
        ("1/13", RunnerError, r"does not fit: checking it takes about \d+\.\d GB; this machine"),
    ],
)
def test_a_problem_at_fault_is_refused_with_the_reason(looking, key, error, reason):
    with (
        pytest.raises(error, match=reason),
        Verifier(looking.problem(key), VerifyOptions()) as verifier,
    ):
        verifier.prepare()


def test_a_file_that_cannot_be_taken_is_named(looking):
    with pytest.raises(ReferenceFailed, match=r"14_Values_decide.py cannot be taken .*line 1\d"):
        open_suite(looking.suite).problem("1/14").load()


def test_verify_suite_prints_the_same_json(looking, capsys):
    kernel = looking.suite.parent / "kernels" / "relu.py"
    arguments = ["verify", "--suite", str(looking.suite), "--problem", "1", "--level", "1"]
    code = main([*arguments, "--kernel", str(kernel), "--device", "cpu", "--quick", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (code, document["status"], document["problem"]) == (0, "PASSED", "kb_l1_1_relu")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--suite", "/nowhere", "--problem", "1", "--kernel", "k.py"], "/nowhere is not a suite"),
        (["--suite", "."], "--suite needs --problem N and --kernel FILE"),
        ([], "name either a PROBLEM_DIR or --suite PATH"),
        (["problems/rms_norm", "--level", "1"], "--problem and --level go with --suite"),
    ],
)
def test_misuse_is_one_line(capsys, arguments, said):
    assert main(["verify", *arguments]) == 2
    assert said in capsys.readouterr().err
