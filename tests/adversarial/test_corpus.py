"""Whole verdicts on every file of the corpus: hostile kernels get the status that they name, honest
ones pass. The code is that of `judge_all`; here each file is judged once.
"""

from __future__ import annotations

import pytest
import torch

from runner.verifier.screen import screen
from tests.adversarial.corpus import (
    CLASSES,
    Kernel,
    honest_kernels,
    hostile_kernels,
    load_kernel,
    problem_of,
)
from tests.adversarial.judge_all import judge_all, main

HOSTILE, HONEST = hostile_kernels(), honest_kernels()
# By problem, so that one verifier serves neighbours.
EVERY = sorted((*HOSTILE, *HONEST), key=lambda kernel: (kernel.problem, -kernel.timeout_s))


def by_name(kernel: Kernel) -> str:
    return kernel.name


@pytest.mark.parametrize("kernel", [k for k in EVERY if k.runs_on("cpu")], ids=by_name)
def test_kernel_gets_its_status(kernel, bench):
    evaluation = bench.judge(kernel)
    assert evaluation.status is kernel.wanted("cpu"), f"{evaluation.summary}\n{evaluation.detail}"
    assert evaluation.summary
    assert "\n" not in evaluation.summary


@pytest.mark.parametrize("kernel", EVERY, ids=by_name)
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_kernel_gets_its_status_on_a_gpu(kernel, bench_on_gpu):
    evaluation = bench_on_gpu.judge(kernel)
    assert evaluation.status is kernel.wanted("cuda"), f"{evaluation.summary}\n{evaluation.detail}"


@pytest.mark.parametrize("kernel", EVERY, ids=by_name)
def test_screen_rejects_what_the_header_says(kernel):
    """`screen: off` is for kernels that the screen would stop; all others it lets through."""
    rejected = screen(kernel.candidate.source, problem_of(kernel))
    stopped = kernel.screen_off or kernel.status.value == "REJECTED"
    assert (rejected is not None) is stopped, rejected


def test_corpus_is_large_and_every_class_is_met_behind_the_screen():
    assert len(HOSTILE) >= 50
    assert len(HONEST) >= 28
    assert {kernel.path.parent.name for kernel in HOSTILE} == CLASSES
    behind = {kernel.path.parent.name for kernel in HOSTILE if kernel.status.value != "REJECTED"}
    assert behind == CLASSES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# naive: passes\n", "says no status"),
        ("# status: CHEATED\n", "says what is naive"),
        ("# status: CHEATED\n# naive: maybe\n", "naive is one of"),
        ("# status: PASSED\n# naive: passes\n", "never passes"),
        ("# status: CHEATED\n# naive: passes\n# screeen: off\n", "no such header line"),
        ("# status: CHEATED\n# status: REJECTED\n# naive: passes\n", "no such header line"),
        ("# status: WRONG\n# naive: passes\n", "WRONG"),
    ],
)
def test_header_that_means_nothing_is_refused(text, words, tmp_path):
    path = tmp_path / "kernel.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        load_kernel(path)


def test_table_names_a_kernel_that_gets_another_status(tmp_path):
    plain = next(kernel for kernel in HONEST if kernel.path.stem == "plain")
    path = tmp_path / "kernel.py"
    path.write_text("# naive: passes\n" + plain.path.read_text().replace("PASSED", "CHEATED", 1))
    (row,) = judge_all([load_kernel(path)], "cpu", 1)
    assert not row.right
    assert row.found == ["PASSED"]
    assert str(row).startswith("BAD")


def test_script_judges_what_it_is_asked_for(capsys, tmp_path):
    report = tmp_path / "report.json"
    arguments = ["--only", "is_not_a_kernel/torch_compile", "--json", str(report)]
    assert main(arguments) == 0
    assert "1 of 1 hostile, 0 of 0 honest, 1 run(s)" in capsys.readouterr().out
    assert '"REJECTED"' in report.read_text()
    assert main(["--only", "nothing/*"]) == 1
