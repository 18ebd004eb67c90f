"""What a fresh clone installs and runs: pins, targets and the commands that the README promises."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bot.doctor.shipped import FILES

ROOT = Path(__file__).parents[2]
TARGETS = ("setup", "demo", "test", "lint", "fmt", "test-gpu", "bench")
# Ray is installed where a cluster is used; CI never does.
NOT_IN_CI = "cluster"


@pytest.fixture(scope="module")
def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in found}


def declared_requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [
        listed for name, listed in project["optional-dependencies"].items() if name != NOT_IN_CI
    ]
    texts = [*project["dependencies"], *(text for extra in extras for text in extra)]
    requirements = [Requirement(text) for text in texts]
    return [requirement for requirement in requirements if requirement.name != project["name"]]


@pytest.mark.parametrize("requirement", declared_requirements(), ids=str)
def test_every_declared_requirement_is_pinned_within_its_range(
    requirement: Requirement, pins: dict[str, Version]
) -> None:
    pin = pins[canonicalize_name(requirement.name)]

    assert requirement.specifier.contains(pin)


def test_pins_name_no_place_to_download_from() -> None:
    text = (ROOT / "constraints.txt").read_text()

    assert not re.search(r"://|\s@\s|--", text)


def test_torch_is_pinned_without_a_local_build_tag(pins: dict[str, Version]) -> None:
    assert pins["torch"] == Version("2.13.0")


def test_makefile_offers_the_task_surface() -> None:
    makefile = (ROOT / "Makefile").read_text()

    assert [name for name in TARGETS if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_readme_commands_are_what_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text()
    gate = (ROOT / ".ci" / "run").read_text()

    for command in ("make demo", "make test"):
        assert re.search(rf"^{command}$", readme, re.MULTILINE), f"README lacks `{command}`"
        assert re.search(rf"^stage \w+ {command}$", gate, re.MULTILINE), f".ci/run lacks {command}"
    assert "make lint" in gate


def test_the_bot_image_installs_no_extra_and_runs_as_nobody_special() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    stages = {
        match["name"]: match["body"]
        for match in re.finditer(
            r"^FROM \S+ AS (?P<name>\w+)\n(?P<body>.*?)(?=^FROM |\Z)", dockerfile, re.M | re.S
        )
    }

    assert set(stages) == {"build", "bot", "runner"}
    assert "[runner]" not in stages["bot"]
    assert "bubblewrap" in stages["runner"]
    for name in ("bot", "runner"):
        assert re.findall(r"^USER (\S+)$", stages[name], re.M) == ["10001"]


def test_the_wheel_carries_every_file_of_both_packages(tmp_path: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "bot", "runner"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )

    (wheel,) = tmp_path.glob("*.whl")
    # The repository's own workflows and form travel with `kernelwright doctor`.
    shipped = {f"bot/doctor/files/{Path(path).name}" for path in FILES}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    there = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    assert packed == there | shipped
