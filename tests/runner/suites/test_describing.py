"""A problem file that ends its worker, or that lies about itself, is a fault of that file."""

from __future__ import annotations

import pytest

from runner.errors import ReferenceFailed
from runner.suites import describing
from runner.suites.describing import describe_file

DIES = """
import os, sys

print("warming up", file=sys.stderr)
print("the license server is away", file=sys.stderr, flush=True)
os._exit(7)
"""


def test_the_last_words_of_a_worker_that_died_are_told():
    with pytest.raises(ReferenceFailed) as told:
        describe_file(DIES, "23_Softmax.py", allow_no_sandbox=True)
    said = str(told.value)
    assert said.startswith("23_Softmax.py cannot be read: ")
    assert said.endswith(" (the license server is away)")
    assert "warming up" not in said


def test_a_file_that_raises_is_told_with_its_line():
    with pytest.raises(ReferenceFailed, match=r"^a\.py cannot be taken as a problem: .*away"):
        describe_file("\nraise OSError('away')\n", "a.py", allow_no_sandbox=True)


@pytest.mark.parametrize(
    "lie",
    [
        {"operations": {"mm": 0}},
        {"operations": ["mm"]},
        {"init": 3},
        {"tensors": [{"name": "x", "shape": [2], "dtype": 5}]},
        {"tensors": [{"name": "x", "shape": [True], "dtype": "float32"}]},
        {"outputs": "none"},
        {"random": "no"},
    ],
)
def test_a_report_of_another_form_is_refused(lie, monkeypatch):
    honest = {
        "ok": True,
        **{"init": "", "call": "", "recipe": "", "random": False, "operations": {"mm": 1}},
        "tensors": [{"name": "x", "shape": [2], "dtype": "float32"}],
        "outputs": [{"shape": [2], "dtype": "float32"}],
    }

    class Worker:
        reply = honest

        def __init__(self, start):
            self.arena = start.arenas[0]

        def wait_ready(self): ...

        def ask(self, job, deadline):
            return self.reply

        def close(self):
            self.arena.close()

    monkeypatch.setattr(describing, "WorkerProcess", Worker)
    assert describe_file("", "a.py", allow_no_sandbox=True) == honest
    Worker.reply = {**honest, **lie}
    with pytest.raises(ReferenceFailed, match=r"a\.py .*its report is malformed"):
        describe_file("", "a.py", allow_no_sandbox=True)
