"""Small problem specs, written as rows, for tests that run no kernel."""

from __future__ import annotations

from runner.problem import Problem, parse_problem

_HEAD = """\
name = "{name}"
entry = "{name}"
summary = "For a test"
family = "elementwise"
baselines = ["eager"]

[axes]
"""


def problem_of(
    inputs: str,
    outputs: str = "y: N float32",
    *,
    tests: tuple[str, ...] = ("N=64",),
    benchmarks: tuple[str, ...] | None = None,
) -> Problem:
    """A problem from rows such as "x: M N float16, i: N int32 0..M" and workloads "M=3 N=64".

    The benchmarks are the tests unless they are given. Every axis may have any size from 0 on.
    """
    arguments = ", ".join(row.split(":")[0].strip() for row in inputs.split(","))
    axes = [word.split("=")[0] for word in tests[0].split()]
    text = _HEAD.format(name="made_up")
    text += "".join(f"{axis} = [0, 2000000000]\n" for axis in axes)
    text += "".join(_tensor("inputs", row) for row in inputs.split(","))
    text += "".join(_tensor("outputs", row) for row in outputs.split(","))
    for table, rows in (("tests", tests), ("benchmarks", benchmarks or tests)):
        for row in rows:
            text += f"[[{table}]]\n" + "".join(f"{word}\n" for word in row.split())
    return parse_problem(text, f"def made_up({arguments}):\n    return None\n")


def _tensor(table: str, row: str) -> str:
    name, _, rest = row.partition(":")
    words = rest.split()
    bounds = words.pop() if ".." in words[-1] else None
    dtype = words.pop()
    shape = ", ".join(word if word.isdigit() else f'"{word}"' for word in words)
    text = f'[[{table}]]\nname = "{name.strip()}"\nshape = [{shape}]\ndtype = "{dtype}"\n'
    if bounds is None:
        return text
    low, high = (b if b.isdigit() else f'"{b}"' for b in bounds.split(".."))
    return f"{text}low = {low}\nhigh = {high}\n"
