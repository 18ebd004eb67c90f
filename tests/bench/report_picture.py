"""Make the README's picture of the site: measured kernels, and a month of nights made up for it.

    python -m tests.bench.report_picture PROBLEMS_DIR .github/images/report.png

Owns the made-up nights: the recorded times with noise, a drifting clock, one regression, one wrong
result. They show what a site looks like; they are no measurement.
"""

from __future__ import annotations

import random
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from runner.contract import WorkloadTiming
from runner.night_record import KernelNight, NightBaseline, NightTiming
from runner.site import SiteOrder, build_site
from runner.site.folder import KernelFolder, read_folders
from runner.site.links import Forge
from tests.fakes.browser import open_browser
from tests.fakes.kernel_folders import failed_night, write_history

NIGHTS = 30
SIZE = (1280, 1080)
FIRST = date(2026, 3, 1)
DRIFT = dict.fromkeys(range(12, 16), 1.08)  # clocks: both sides of a ratio move
_NOISE = 0.003


def main(problems: Path, picture: Path) -> None:
    """Write `picture`, a PNG of the index above the history of a kernel."""
    random.seed(0)
    measured = [row for row in read_folders(problems) if _performance(row)]
    nights = [
        _night(folder, day, regressed=folder is measured[-1])
        for folder in measured
        for day in range(NIGHTS)
    ]
    # The first kernel met a Triton that computes it wrongly, for two nights.
    nights[22:24] = [
        failed_night(1).model_copy(update={"kernel": measured[0].name, "night": row.night,
                                           "kernel_sha256": row.kernel_sha256})
        for row in nights[22:24]
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        order = SiteOrder(
            problems=problems,
            out=root / "site",
            history=write_history(root / "history.jsonl", nights),
            forge=Forge(url="https://github.com", repository=None),
            title="Kernels",
        )
        build_site(order)
        with open_browser(root) as browser:
            browser.open((order.out / "index.html").as_uri())
            browser.resize(*SIZE)
            height = int(browser.ask("document.querySelector('main').offsetHeight"))
            browser.resize(SIZE[0], min(height, SIZE[1]))
            browser.picture(picture)


def _performance(folder: KernelFolder) -> tuple[WorkloadTiming, ...]:
    evaluation = folder.standing_evaluation
    return evaluation.performance.timings if evaluation and evaluation.performance else ()


def _night(folder: KernelFolder, day: int, *, regressed: bool) -> KernelNight:
    results = folder.results
    assert results is not None
    slow = regressed and day >= NIGHTS - 4
    return KernelNight(
        night=FIRST + timedelta(days=day),
        kernel=folder.name,
        kernel_sha256=min(folder.kernel_digests),
        environment=results.environment,
        status="regressed" if slow else "passed",
        evaluation_status="PASSED",
        timings=tuple(
            _timed(row, 0.94 if slow else 1.0, DRIFT.get(day, 1.0)) for row in _performance(folder)
        ),
        runs=2 if slow else 1,
    )


def _timed(row: WorkloadTiming, speed: float, drift: float) -> NightTiming:
    noise = speed * random.gauss(1, _NOISE)
    return NightTiming(
        workload=row.workload,
        median_ms=row.median_ms * drift / noise,
        baselines=tuple(
            NightBaseline(
                name=known.name,
                median_ms=known.median_ms * drift,
                ratio=known.ratio * noise,
                low=known.ratio_low * noise,
                high=known.ratio_high * noise,
            )
            for known in row.baselines
        ),
        speed=noise,
        speed_low=noise * (1 - 2 * _NOISE),
        speed_high=noise * (1 + 2 * _NOISE),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
