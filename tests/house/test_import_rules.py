"""The import contracts of `.importlinter`: kept by the tree, and broken by what they forbid."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--config",
            ROOT / ".importlinter",
            "--no-cache",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for package in ("bot", "runner"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def test_the_tree_keeps_every_contract() -> None:
    done = lint_imports(ROOT)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("bot/intruder.py", "import runner.loop", "bot imports of runner only"),
        ("bot/intruder.py", "import torch", "bot imports nothing of the extra"),
        ("runner/problem.py", "import torch", "the contract modules import nothing"),
        ("runner/intruder.py", "import bot.errors", "runner never imports bot"),
        ("runner/intruder.py", "import fastapi", "runner never imports bot"),
        ("runner/intruder.py", "import torch", "only the modules that touch tensors"),
        ("runner/html_parts.py", "import numpy", "the site of `report` imports nothing"),
        ("bot/intruder.py", "import github", "only bot.github_api imports PyGithub"),
        (
            "runner/executors/local.py",
            "import ray",
            "only runner.executors.ray_cluster imports Ray",
        ),
        ("bot/intruder.py", "import bot.standin", "only the demo imports the stand-in"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    tree: Path, module: str, line: str, contract: str
) -> None:
    with (tree / module).open("a") as file:
        file.write(f"\n{line}\n")

    done = lint_imports(tree)

    assert done.returncode == 1
    broken = [text for text in done.stdout.splitlines() if "BROKEN" in text]
    assert any(text.startswith(contract) for text in broken), done.stdout
