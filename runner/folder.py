"""The files of a problem folder that are made from its results: the same facts give the same bytes.

Owns which files those are. Anyone can make them again from what stands in the folder, and see that
nobody edited them.
"""

from __future__ import annotations

from importlib.resources import files as package_files
from string import Template

from runner.charts import SEARCH_PICTURE, TIMES_PICTURE, draw_search, draw_times
from runner.kernel_docstring import kernel_facts
from runner.kernel_facts import with_facts
from runner.problem import Problem
from runner.readme import render_readme
from runner.results import Results, write_results

RESULTS = "results.json"
KERNEL = "kernel.py"
TEMPLATES = ("test_kernel.py", "bench_kernel.py")


def render_folder(problem: Problem, results: Results, candidate: str | None) -> dict[str, str]:
    """Every made file by name. Without a `candidate` that passed there are only the results."""
    texts = {RESULTS: write_results(results)}
    if candidate is None:
        return texts
    texts[KERNEL] = with_facts(candidate, kernel_facts(problem, results, candidate))
    for name in TEMPLATES:
        texts[name] = render_template(name, problem)
    texts["README.md"] = render_readme(problem, results)
    texts[SEARCH_PICTURE] = draw_search(results)
    texts[TIMES_PICTURE] = draw_times(results)
    return texts


def render_template(name: str, problem: Problem) -> str:
    """A generated Python file of the problem folder: `test_kernel.py` or `bench_kernel.py`."""
    path = package_files("runner").joinpath("templates", f"{name}.template")
    template = Template(path.read_text(encoding="utf-8"))
    # Both are checked names: nothing of a spec can become code here.
    return template.substitute(name=problem.name, entry=problem.entry)
