"""Which kernel stays, and when two sources are one."""

from __future__ import annotations

import pytest

from runner.contract import Workload
from runner.fingerprint import fingerprint
from runner.keep import LEAST_GAIN, gain_over, is_better
from tests.fakes.measured import baseline, measured, timing

M = Workload(axes={"N": 4096})


def no_rank(evaluation):
    raise AssertionError("times decide, not the rank")


def kernel(ms, *, spread=0.002, workloads=None):
    """A kernel measured in `ms`, with an interval of ± `spread` around its ratio of 2."""
    rows = (baseline(spread=2 * spread),) if spread is not None else ()
    places = workloads or [Workload(axes={"N": 65536})]
    return measured(*(timing(place, median_ms=ms, baselines=rows) for place in places))


@pytest.mark.parametrize(
    ("new_ms", "spread", "better"),
    [
        (0.90, 0.002, True),
        (1.00, 0.002, False),
        (1.10, 0.002, False),
        (0.99, 0.002, True),  # certain: 1 % of gain, 0.3 % of noise
        (0.99, 0.020, False),  # within the noise of both measurements
        (0.90, 0.020, True),
        (0.998, 0.0001, False),  # less than two processes differ by
        (0.99, None, False),  # no interval was measured
        (0.90, None, True),
    ],
)
def test_only_a_gain_that_is_certain_replaces_the_best(new_ms, spread, better):
    assert is_better(kernel(new_ms, spread=spread), kernel(1.0, spread=spread), no_rank) is better


def test_the_mean_over_workloads_decides():
    both = [M, Workload(axes={"N": 65536})]
    best = measured(timing(M, median_ms=1.0), timing(both[1], median_ms=1.0))
    mixed = measured(timing(M, median_ms=0.5), timing(both[1], median_ms=1.2))
    worse = measured(timing(M, median_ms=0.9), timing(both[1], median_ms=1.5))
    assert is_better(mixed, best, no_rank)
    assert not is_better(worse, best, no_rank)


def test_more_workloads_win_whatever_the_mean():
    few, many = kernel(0.1), kernel(1.0, workloads=[M, Workload(axes={"N": 65536})])
    assert is_better(many, few, no_rank)
    assert not is_better(few, many, no_rank)


def test_kernels_timed_on_different_workloads_are_not_compared():
    assert gain_over(kernel(1.0).performance, kernel(0.5, workloads=[M]).performance) is None


def test_noise_is_never_below_what_two_processes_differ_by():
    gain = gain_over(kernel(1.0, spread=0).performance, kernel(1.0, spread=0).performance)
    assert gain.noise == LEAST_GAIN


def test_untimed_kernels_are_ranked_strictly():
    untimed = measured(performance=None)
    assert not is_better(untimed, untimed, lambda evaluation: (1.0,))


KERNEL = '"""Doc."""\nimport triton\n\n\ndef f(x):\n    """Twice."""\n    return x * 2\n'


@pytest.mark.parametrize(
    "other",
    [
        KERNEL.replace('"""Doc."""\n', ""),
        KERNEL.replace('    """Twice."""\n', "    # twice\n\n"),
        KERNEL.replace("x * 2", "(x*2)"),
        KERNEL.replace("def f(x):", "def f(\n    x,\n):"),
        KERNEL.replace("\n", "\r\n"),
    ],
)
def test_words_and_layout_make_no_other_kernel(other):
    assert fingerprint(other) == fingerprint(KERNEL)


@pytest.mark.parametrize(
    "other",
    [
        KERNEL.replace("x * 2", "x * 2.0"),
        KERNEL.replace("x * 2", "2 * x"),
        KERNEL.replace("return", '"""a string later on"""\n    return').replace("* 2", "* 3"),
        KERNEL + "\nBLOCK = 64\n",
    ],
)
def test_another_computation_is_another_kernel(other):
    assert fingerprint(other) != fingerprint(KERNEL)


@pytest.mark.parametrize("source", ["def f(:\n", "\x00", "(" * 5000, "x = '\\ud800'\n", ""])
def test_any_text_has_a_fingerprint(source):
    assert fingerprint(source) == fingerprint(source)
    assert len(fingerprint(source)) == 64


def test_texts_that_do_not_parse_are_told_apart():
    assert fingerprint("def f(:\n") != fingerprint("def g(:\n")


def test_a_function_of_a_docstring_alone_keeps_a_body():
    assert fingerprint('def f():\n    """a"""\n') == fingerprint("def f():\n    pass\n")
