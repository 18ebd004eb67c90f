"""Parallel first answers begin in different ways, the same ones each time."""

from __future__ import annotations

import dataclasses

import pytest

from runner.prompts.strategies import family_of, strategy
from tests.fakes.prompt_samples import softmax_problem


def problem(family: str = "", entry: str = "f", summary: str = "Something"):
    return dataclasses.replace(softmax_problem(), family=family, entry=entry, summary=summary)


FAMILIES = [
    ({"family": "attention"}, "attention"),
    ({"family": "normalisation"}, "row"),
    ({"family": "Layer norm"}, "row"),
    ({"family": "softmax"}, "row"),
    ({"family": "GEMM"}, "matmul"),
    ({"family": "conv2d"}, "convolution"),
    ({"family": "scan"}, "scan"),
    ({"family": "max pooling"}, "pooling"),
    ({"family": "elementwise"}, "any"),
    ({"entry": "relative_position_attention"}, "attention"),
    ({"summary": "Cumulative sum of each row"}, "scan"),
    ({"family": "matmul", "summary": "softmax of a product"}, "matmul"),
    ({}, "any"),
    ({"family": "transformer"}, "any"),
]


@pytest.mark.parametrize(("words", "family"), FAMILIES)
def test_a_spec_belongs_to_the_family_that_it_names(words, family):
    assert family_of(problem(**words)).family == family


@pytest.mark.parametrize(
    "family", sorted({row[0]["family"] for row in FAMILIES if "family" in row[0]})
)
def test_variants_differ_until_they_come_round(family):
    spec = problem(family=family)
    count = len(family_of(spec).ways) + 1
    ways = [strategy(spec, variant, 132) for variant in range(2 * count)]
    assert ways[0] == ""
    assert len(set(ways)) == count >= 4
    assert ways[:count] == ways[count:]
    assert not any("$" in way for way in ways)


@pytest.mark.parametrize(("measured", "words"), [(132, "132 or a small"), (None, "about as many")])
def test_a_persistent_grid_takes_its_size_from_the_measured_gpu(measured, words):
    ways = [strategy(problem(family="attention"), variant, measured) for variant in range(6)]
    (persistent,) = [way for way in ways if way.startswith("Persistent")]
    assert words in persistent
