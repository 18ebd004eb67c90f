"""The suite written for these tests, and its problems looked at in this process: they are ours."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from runner.problem import Problem
from runner.suites.kernelbench import list_files, problem_from
from runner.verifier.modules.describe import describe

FIXTURES = Path(__file__).parents[2] / "fixtures" / "suites"


class Looking:
    """Loads a problem as `SuiteProblem.load` does, without the worker that takes seconds."""

    suite = FIXTURES / "small"

    def __init__(self) -> None:
        self._files = {f"{file.level}/{file.number}": file for file in list_files(self.suite)}

    def module(self, key: str) -> ModuleType:
        path = self._files[key].path
        spec = importlib.util.spec_from_file_location(f"problem_{key.replace('/', '_')}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def problem(self, key: str) -> Problem:
        facts = describe(self.module(key))
        return problem_from(self._files[key], self._files[key].path.read_text(), facts)

    @staticmethod
    def kernel(name: str) -> str:
        return (FIXTURES / "kernels" / name).read_text()


@pytest.fixture(scope="session")
def looking() -> Looking:
    return Looking()
