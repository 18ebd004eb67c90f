"""A month of nights through the real comparison and the real bot, on a GitHub in memory."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from bot.nightly import take_night
from bot.nightly_history import BRANCH
from bot.nightly_records import NightJob
from runner.nightly.night import Plan, run_night
from tests.fakes.night_simulation import Event, SimulatedGpu, night_date, write_kernel

LEGS = ("pinned", "newest")


@dataclass(slots=True, kw_only=True)
class Month:
    """`fake` is the GitHub, `steps()` makes what a workflow runs on; `now` is the bot's clock."""

    fake: Any
    tools: Any
    steps: Any
    now: list[float]
    folder: Path
    seed: int
    events: Sequence[Event]
    nights: int = 30
    accepted: list[Any] = field(default_factory=list)

    def merge(self, names: Sequence[str]) -> None:
        """The kernels, in the repository and on the GPU machine."""
        gpu = SimulatedGpu(random=random.Random(self.seed))
        for name in names:
            write_kernel(self.folder / "problems", name, gpu)
        files = {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted((self.folder / "problems").rglob("*.*"))
        }
        self.fake.commit_as("mona", "main", "Kernels", files)

    def play(self, night: int) -> None:
        """One night: every leg's job, and the bot's taking of what they hand back."""
        history = self._check_out_history()
        artifacts = {}
        for number, leg in enumerate(LEGS):
            out = self.folder / "out" / f"{night}-{leg}"
            gpu = SimulatedGpu(
                random=random.Random(self.seed * 1_000_003 + night * 31 + number),
                events=self.events, night=night, leg=leg, nights=self.nights,
            )  # fmt: skip
            plan = Plan(problems=self.folder / "problems", out=out, leg=leg, history=history)
            run_night(plan, gpu, lambda row: None, night=night_date(night))
            artifacts[f"kernelwright-night-{leg}-1"] = zip_folder(out)
        self.now[0] = datetime.combine(night_date(night), time(5), UTC).timestamp()
        run_id = self.fake.end_night(artifacts)
        job = NightJob(repository="octo/kernels", installation_id=1, run_id=run_id)
        take_night(self.steps(), self.tools, job, self.accepted.append)

    def _check_out_history(self) -> Path | None:
        """The data branch, as the job checks it out."""
        if BRANCH not in self.fake.branches:
            return None
        folder = self.folder / "history"
        for path, data in self.fake.files(BRANCH).items():
            if path.startswith("nights/"):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
        return folder


def zip_folder(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return buffer.getvalue()
