"""Figures of several processes put together, and launches as a hostile worker may report them."""

from __future__ import annotations

import json
import math

import pytest
import torch

from runner.contract import KernelResources, Workload
from runner.verifier.assembler import Assembled
from runner.verifier.gpu.figures import baseline_timing, join_timings, resources_of
from runner.verifier.gpu.statistics import Ratio
from tests.fakes.measured import baseline, timing

WORKLOAD = Workload(axes={"N": 64})
DIGEST = "ab" * 32
REPORTS = {DIGEST: Assembled(registers=40, spill_bytes=16, warnings=())}
ROW = {
    "kernel": "_softmax_kernel",
    "ptx_sha256": DIGEST,
    "launches": 2,
    "shared_bytes": 1024,
    "num_warps": 4,
    "num_stages": 3,
    "grid": [128, 1, 1],
}


@pytest.fixture(autouse=True)
def hopper(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))


def resources(*rows):
    return resources_of({"kernels": list(rows)}, WORKLOAD, REPORTS)


def test_one_process_is_reported_as_it_is():
    rows = (timing(), timing(Workload(axes={"N": 3})))
    assert join_timings([rows]) == rows


def test_no_process_is_no_timing():
    assert join_timings([]) == ()


def test_two_processes_give_all_calls_the_lower_median_and_intervals_that_hold_both():
    first = timing(median_ms=1.2, calls=100, baselines=(baseline(ratio=2.0),))
    second = timing(median_ms=1.0, calls=120, baselines=(baseline(ratio=2.5),))
    (joined,) = join_timings([(first,), (second,)])
    assert joined.median_ms == 1.0
    assert joined.calls == 220
    (eager,) = joined.baselines
    assert (eager.ratio_low, eager.ratio, eager.ratio_high) == (1.9, 2.25, 2.6)
    assert eager.median_ms == 2.0


def test_of_three_processes_the_middle_one_is_reported():
    rows = [(timing(median_ms=ms, clock_ms=ms, span_ms=ms),) for ms in (3.0, 1.0, 2.0)]
    (joined,) = join_timings(rows)
    assert (joined.median_ms, joined.clock_ms) == (2.0, 2.0)


def test_a_baseline_that_failed_in_one_process_is_left_out():
    both = timing(baselines=(baseline("eager"), baseline("compile")))
    one = timing(baselines=(baseline("compile"),))
    for runs in ([(both,), (one,)], [(one,), (both,)]):
        (joined,) = join_timings(runs)
        assert [row.name for row in joined.baselines] == ["compile"]


def test_processes_that_timed_different_workloads_are_not_joined():
    with pytest.raises(ValueError, match="argument 2"):
        join_timings([(timing(),), (timing(), timing())])


def test_a_baselines_median_is_over_all_its_calls():
    row = baseline_timing("eager", [[1.0, 2.0], [3.0]], Ratio(value=2.0, low=1.5, high=2.5))
    assert (row.median_ms, row.ratio_low, row.ratio, row.ratio_high) == (2.0, 1.5, 2.0, 2.5)


def test_registers_and_spills_are_the_judges_assemblers():
    claimed = {**ROW, "registers": 1, "spill_bytes": 0, "target": "sm_1"}
    assert resources(claimed) == [
        KernelResources(
            kernel="_softmax_kernel",
            workload=WORKLOAD,
            target="sm_90",
            registers=40,
            spill_bytes=16,
            shared_bytes=1024,
            num_warps=4,
            num_stages=3,
            grid=(128, 1, 1),
            launches=2,
        )
    ]


def test_a_kernel_that_the_judge_did_not_assemble_is_no_kernel():
    assert resources({**ROW, "ptx_sha256": "0" * 64}) == []


@pytest.mark.parametrize("rows", [None, {"0": ROW}, "x", 7])
def test_a_reply_without_rows_has_no_kernels(rows):
    assert resources_of({}, WORKLOAD, REPORTS) == []
    assert resources_of({"kernels": rows}, WORKLOAD, REPORTS) == []


NUMBERS = ("shared_bytes", "num_warps", "num_stages", "launches")
BAD_NUMBERS = [math.inf, -math.inf, math.nan, "four", "9" * 5000, None, [], {}, [4]]


@pytest.mark.parametrize(
    "row",
    [
        *("garbage", None, 7, [], {}, {"ptx_sha256": DIGEST}),
        *({key: value for key, value in ROW.items() if key != gone} for gone in ROW),
        *({**ROW, name: bad} for name in NUMBERS for bad in BAD_NUMBERS),
        *({**ROW, "grid": bad} for bad in (None, 7, [math.inf], [math.nan], ["x"], [[1]], [None])),
        *({**ROW, "ptx_sha256": bad} for bad in (None, 7, [DIGEST], {"a": 1}, "\ud800")),
    ],
    ids=lambda row: str(row)[:60],
)
def test_a_malformed_row_is_left_out_and_the_rest_stays(row):
    assert resources(row) == []
    assert [one.kernel for one in resources(row, ROW)] == ["_softmax_kernel"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, value) for name in NUMBERS for value in (-5, -(10**300), 0)),
        *(("grid", value) for value in ([], [1] * 50, [0, 0, 0])),
        *(("kernel", value) for value in ("\ud800\udfff", "a\nb\x1b[31m", "k" * 10**5, "", 7)),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_is_left_can_be_written_down(field, value):
    (found,) = resources({**ROW, field: value})
    text = found.model_dump_json()
    assert KernelResources.model_validate_json(text) == found
    assert found.kernel.isprintable()
    assert len(found.kernel) <= 100
    assert len(found.grid) <= 3


@pytest.mark.parametrize("field", [*NUMBERS, "grid"])
def test_numbers_that_no_kernel_has_are_not_handed_on(field):
    """JSON has numbers of any length; what reads the bundle need not."""
    huge = 10**300
    row = json.loads(json.dumps({**ROW, field: [huge] if field == "grid" else huge}))
    for one in resources(row):
        shown = [one.shared_bytes, one.num_warps, one.num_stages, one.launches, *one.grid]
        assert max(shown) < 1 << 63


def test_one_kernel_is_not_repeated_as_often_as_a_worker_likes():
    assert len(resources(*[dict(ROW) for _ in range(5000)])) <= 256
