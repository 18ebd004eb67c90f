"""What the demo stands on: a clean folder, a stand-in GitHub with one repository, the real bot.

Owns their start and their end. Refuses a folder that it did not make itself, and a machine that
lacks what the run needs, each with `DemoFault`: one line that says what to do.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import bot

MARKER = ".kernelwright-demo"
REPOSITORY = "octo/kernels"
FORM = ".github/ISSUE_TEMPLATE/kernel-request.yml"
# The model's answers in the demo: generation 0 to the issue, generation 1 to the review.
TRANSCRIPTS = Path(__file__).parent / "transcripts"
_BWRAP_PROBE_S = 10.0
_README = b"# octo/kernels\n\nThe repository of the demo: kernels arrive here as pull requests.\n"


class DemoFault(Exception):
    """The demo cannot start; the message is one line that says what to do."""


def checkout() -> Path:
    """The checkout that this package lies in, with its form, workflows and problems."""
    root = Path(bot.__file__).resolve().parents[1]
    if not (root / FORM).is_file():
        raise DemoFault("the demo needs a checkout of the project: it files the form in .github/")
    return root


def check_extras() -> None:
    """Refuse a half-installed environment before anything is started."""
    needed = ("torch", "triton", "openapi_core", "yaml")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise DemoFault(
            f"{', '.join(missing)} missing: pip install -e '.[runner,dev]', or make demo"
        )


def sandbox_fault() -> str | None:
    """Why bubblewrap cannot be used here, or None when it can."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    probe = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/"]
    try:
        done = subprocess.run(
            [*probe, "--proc", "/proc", "--dev", "/dev", "true"],
            capture_output=True,
            text=True,
            timeout=_BWRAP_PROBE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "bubblewrap does not answer"
    return None if done.returncode == 0 else f"bubblewrap fails here ({done.stderr.strip()})"


def clean_folder(out: Path) -> None:
    """An empty folder of ours at `out`. Only what an earlier demo made is deleted."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise DemoFault(f"{out} is not a folder; choose another with --out")
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARKER).is_file():
            raise DemoFault(
                f"{out} was not made by the demo; move it, or choose another with --out"
            )
        shutil.rmtree(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / MARKER).write_text(
            "Made by kernelwright's demo, which deletes it on its next run.\n"
        )
    except OSError as error:
        raise DemoFault(f"cannot write to {out}: {error.strerror}; choose another --out") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The problem folder that is asked for, as text for the form, and the answers to it."""

    slug: str
    summary: str
    spec: str
    reference: str
    baselines: str
    transcript: Path


def read_problem(root: Path, slug: str) -> Problem:
    """The problem folder `slug` of the checkout."""
    from runner.problem import load_problem

    folder = root / "problems" / slug
    loaded = load_problem(folder)
    return Problem(
        slug=slug,
        summary=loaded.summary,
        spec=loaded.toml_text,
        reference=loaded.reference_text,
        baselines=loaded.baseline_text or "",
        transcript=TRANSCRIPTS / f"{slug}.jsonl",
    )


def repository_files(root: Path) -> dict[str, bytes]:
    """What the demo's repository starts with: the checkout's own form and workflows."""
    paths = sorted(path for path in (root / ".github").rglob("*") if path.is_file())
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    return {"README.md": _README, **files}
