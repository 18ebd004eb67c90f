"""One question of each kind, about a small softmax: the prompts of `tests/fixtures/prompts/`.

`python -m tests.fakes.prompt_cases` writes those files anew, and `test_prompt_snapshots.py`
compares them. Whoever changes a prompt reads what the change made of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from runner.contract import Candidate
from runner.prompts.questions import (
    Line,
    PromptContext,
    Question,
    first,
    optimise,
    repair,
    review,
)
from runner.tried import Tried
from tests.fakes.prompt_samples import (
    FEEDBACK,
    KERNEL,
    RIGHT_KERNEL,
    answered,
    attempt,
    context,
    screened,
)
from tests.fakes.prompt_verdicts import (
    CHEATED,
    COMPILE_ERROR,
    DTYPE,
    INCORRECT,
    RUNTIME_ERROR,
    SHAPE,
    TIMEOUT,
    passed,
    passed_without_gpu,
)

FOLDER = Path(__file__).parent.parent / "fixtures" / "prompts"


def repaired(*rows: Tried, others: tuple[Tried, ...] = (), gpu: bool = True) -> Question:
    """The repair after these attempts."""
    return repair(context(gpu=gpu), Line(attempts=rows, others=others))


def long_line() -> tuple[Tried, ...]:
    """A line of five attempts, the second of which is the best."""
    return (
        attempt(1, INCORRECT, change="one program for each row, exp2 with a folded scale"),
        attempt(2, passed(), RIGHT_KERNEL, kept=True, change="masked lanes are minus infinity"),
        attempt(3, passed(0.0701, 0.0280), change="two rows for each program"),
        attempt(4, COMPILE_ERROR, change=None),
        attempt(5, RUNTIME_ERROR, KERNEL, change="blocks of 1024 with an online maximum"),
    )


def _optimised() -> Question:
    rows = long_line()
    other = attempt(6, passed(0.0652, 0.0263), change="persistent, 264 programs")
    return optimise(context(), rows[1], Line(attempts=rows, others=(other,)))


def _in_review(question: Callable[[PromptContext], Question]) -> Question:
    parent = Candidate.of(RIGHT_KERNEL, 0)
    return question(context(feedback=FEEDBACK, parent=parent))


def cases() -> dict[str, Question]:
    """Every kind of question by the name of its file."""
    best = attempt(1, passed(), RIGHT_KERNEL, kept=True, change="one program for each row")
    unmeasured = attempt(1, passed_without_gpu(), RIGHT_KERNEL, kept=True)
    cut = "```python\nimport torch\n"
    diff = "```diff\n--- kernel.py\n+++ kernel.py\n@@ -1 +1 @@\n-a\n+b\n```\n"
    other = attempt(3, passed(), RIGHT_KERNEL, kept=True)
    twice = (attempt(1, INCORRECT), attempt(2, INCORRECT, change="mask the load"))
    return {
        "first": first(context(), 0),
        "first_other_design": first(context(), 2),
        "first_without_gpu": first(context(gpu=False), 0),
        "repair_no_code": repaired(answered("The kernel would be simple.")),
        "repair_cut_answer": repaired(answered(cut, cut=True)),
        "repair_diff": repaired(answered(diff)),
        "repair_syntax_error": repaired(screened(KERNEL.replace("cols < N\n", "(cols < N\n"))),
        "repair_forbidden": repaired(screened(KERNEL.replace("import torch\n", "import os\n"))),
        "repair_compile_error": repaired(attempt(1, COMPILE_ERROR)),
        "repair_incorrect": repaired(attempt(1, INCORRECT)),
        "repair_incorrect_twice": repaired(*twice, others=(other,)),
        "repair_shape": repaired(attempt(1, SHAPE)),
        "repair_dtype": repaired(attempt(1, DTYPE)),
        "repair_cheated": repaired(attempt(1, CHEATED)),
        "repair_timeout": repaired(attempt(1, TIMEOUT)),
        "repair_runtime_error": repaired(attempt(1, RUNTIME_ERROR)),
        "optimise": optimise(context(), best, Line(attempts=(best,))),
        "optimise_after_attempts": _optimised(),
        "optimise_without_gpu": optimise(context(gpu=False), unmeasured, Line(attempts=())),
        "review": _in_review(review),
        "review_repair": _in_review(lambda c: repair(c, Line(attempts=(attempt(1, INCORRECT),)))),
    }


def files() -> dict[str, str]:
    """File name → text: each question, and the shortest form of the longest one."""
    found = {f"{name}.txt": question.text for name, question in cases().items()}
    found["shortest_optimise_after_attempts.txt"] = cases()["optimise_after_attempts"].shorter[-1]
    return found


def write_files() -> None:
    """Replace the folder's files by what the prompts are now."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_files()
