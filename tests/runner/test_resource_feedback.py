"""What compiled resources alone suggest, where nothing was timed."""

from __future__ import annotations

import pytest

from runner.contract import Workload
from runner.resource_feedback import static_suggestions
from tests.fakes.measured import compiled, measured

SMALL = Workload(axes={"N": 64})


def suggested(*kernels, detail: str = "") -> tuple[str, ...]:
    evaluation = measured(device="cpu", performance=None, resources=kernels, detail=detail)
    return static_suggestions(evaluation)


@pytest.mark.parametrize(
    ("kernels", "words"),
    [
        ((compiled(spill_bytes=48),), "48 bytes a thread are spilled (on N=65536)"),
        ((compiled(), compiled(SMALL, spill_bytes=8)), "8 bytes a thread are spilled (on N=64)"),
        ((compiled(), compiled(kernel="second")), "launches 2 different kernels (on N=65536)"),
        ((compiled(registers=255),), "The limit of registers lets only 12% of the warps"),
        ((compiled(shared_bytes=200_000),), "The limit of shared memory lets only 6% of the warps"),
        ((compiled(registers=16, num_warps=1, shared_bytes=0),), "Nothing spills"),
        ((compiled(registers=255, num_warps=8),), "keep fewer values alive"),
        ((compiled(),), "Nothing spills, one kernel does it all"),
        ((compiled(), compiled(SMALL)), "Nothing spills, one kernel does it all"),
        ((compiled(target="sm_777", registers=255),), "Nothing spills"),
    ],
)
def test_the_first_figure_that_counts_is_named_first(kernels, words):
    assert words in suggested(*kernels)[0]


def test_suggestions_follow_the_order_of_the_comparison():
    found = suggested(compiled(registers=255, spill_bytes=48), compiled(kernel="second"))
    for words, text in zip(("spilled", "launches", "limit of"), found, strict=True):
        assert words in text


@pytest.mark.parametrize(
    ("detail", "told"), [("assembler: k: C7515: serialized", True), ("", False)]
)
def test_serialised_products_are_explained(detail, told):
    assert any("one after another" in text for text in suggested(compiled(), detail=detail)) == told


def test_nothing_is_said_of_time():
    for kernels in ((compiled(),), (compiled(registers=255, spill_bytes=8),)):
        assert not any(word in " ".join(suggested(*kernels)) for word in (" ms", "GB/s", "faster"))
