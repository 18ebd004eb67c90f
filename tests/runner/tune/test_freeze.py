"""The frozen source: what a reviewer merges."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest

from runner.contract import Workload
from runner.problem import TensorSpec
from runner.tune.declaration import read_declaration
from runner.tune.freeze import Choice, freeze

SOURCE = '''\
"""Matmul — one tile a program."""

import torch
import triton

# What the tuner may try.
TUNABLES = {
    "BLOCK_M": [64, 128],
    "num_warps": [4, 8],
}  # literals only
CONFIG = {"BLOCK_M": 64, "num_warps": 4}  # the default


def pick_config(x, w):
    """The launch parameters for these inputs."""
    return CONFIG


def matmul(x, w):
    return x @ w, pick_config(x, w)  # ünïcode
'''
INPUTS = (
    TensorSpec(name="x", shape=("M", "K"), dtype="float16"),
    TensorSpec(name="w", shape=("K", "N"), dtype="float16"),
)
SMALL, LARGE = (Workload(axes={"M": m, "K": 64, "N": 32}) for m in (256, 4096))
BEST = {"BLOCK_M": 128, "num_warps": 8}
OWN = {"BLOCK_M": 64, "num_warps": 8}


def frozen(source=SOURCE, inputs=INPUTS, workloads=(SMALL, LARGE), **fields):
    fields = {"config": BEST, "gpu": "NVIDIA H200", "among": 4, **fields}
    declaration = read_declaration(source, "matmul")
    return freeze(source, declaration, Choice(**fields), inputs, workloads)


def picks(text, *shapes):
    """What the frozen pick_config says for inputs of these shapes."""
    tree = ast.parse(text)
    kept = (ast.Assign, ast.AnnAssign, ast.FunctionDef)
    tree.body = [node for node in tree.body if isinstance(node, kept)]
    names = {}
    exec(compile(tree, "frozen", "exec"), names)
    return names["pick_config"](*(SimpleNamespace(shape=shape) for shape in shapes))


def test_one_winner_for_all_shapes_reads_as_if_written_by_hand():
    expected = SOURCE.replace(
        """# What the tuner may try.
TUNABLES = {
    "BLOCK_M": [64, 128],
    "num_warps": [4, 8],
}  # literals only
CONFIG = {"BLOCK_M": 64, "num_warps": 4}""",
        """# Fastest of 4 configurations on NVIDIA H200.
CONFIG = {"BLOCK_M": 128, "num_warps": 8}""",
    )
    assert frozen() == expected


def test_a_workload_of_its_own_becomes_a_lookup_by_shape():
    text = frozen(by_workload={str(LARGE): OWN})
    assert (
        """# Fastest of 4 configurations on NVIDIA H200; some shapes have their own, below.
CONFIG = {"BLOCK_M": 128, "num_warps": 8}  # the default
CONFIG_BY_SHAPE = {
    ((4096, 64), (64, 32)): {"BLOCK_M": 64, "num_warps": 8},
}
"""
        in text
    )
    assert "    return CONFIG_BY_SHAPE.get((x.shape, w.shape), CONFIG)\n" in text
    assert picks(text, (4096, 64), (64, 32)) == OWN
    assert picks(text, (256, 64), (64, 32)) == BEST
    assert picks(text, (4096, 64), (64, 33)) == BEST


def test_one_input_is_the_key_where_it_tells_all_axes():
    inputs = (INPUTS[0], TensorSpec(name="w", shape=("K",), dtype="float16"))
    text = frozen(inputs=inputs, by_workload={str(SMALL): OWN})
    assert "    (256, 64): {" in text
    assert "return CONFIG_BY_SHAPE.get(x.shape, CONFIG)" in text


def test_the_shape_of_a_tensor_is_found():
    torch = pytest.importorskip("torch")
    text = frozen(by_workload={str(SMALL): OWN})
    assert picks(text, torch.Size([256, 64]), torch.Size([64, 32])) == OWN


def test_what_is_frozen_declares_nothing_and_parses():
    for own in ({}, {str(SMALL): OWN, str(LARGE): OWN}):
        text = frozen(by_workload=own)
        ast.parse(text)
        assert read_declaration(text, "matmul") is None
        assert "TUNABLES" not in text


def test_long_configurations_have_a_key_a_line():
    names = [f"BLOCK_SIZE_{letter}" for letter in "ABCDEFGH"]
    lists = {name: [16, 32] for name in names}
    default = dict.fromkeys(names, 16)
    source = SOURCE.replace('CONFIG = {"BLOCK_M": 64, "num_warps": 4}', f"CONFIG = {default!r}")
    start, end = source.index("TUNABLES = "), source.index("  # literals")
    source = source[:start] + f"TUNABLES = {lists!r}" + source[end:]
    best = dict.fromkeys(names, 32)
    text = frozen(source, config=best, by_workload={str(SMALL): default})
    assert 'CONFIG = {\n    "BLOCK_SIZE_A": 32,\n' in text
    assert '    ((256, 64), (64, 32)): {\n        "BLOCK_SIZE_A": 16,\n' in text
    assert max(map(len, text.splitlines())) <= 100
    assert picks(text, (256, 64), (64, 32)) == default


DECLARED = 'TUNABLES = {"A": [1, 2]}\n'
DEFAULT = 'CONFIG = {"A": 1}\n'
CHOSEN = """# Fastest of 4 configurations on NVIDIA H200.
CONFIG = {"A": 'q"t'}
"""
REST = """def pick_config(x, w):
    return CONFIG


def matmul(x, w):
    return pick_config(x, w)
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{DECLARED}{DEFAULT}\n\n{REST}", f"{CHOSEN}\n\n{REST}"),
        (f"import a\n\n{DECLARED}\n{DEFAULT}\n\n{REST}", f"import a\n\n{CHOSEN}\n\n{REST}"),
        (f"import a\n{DEFAULT}{DECLARED}\n\n{REST}", f"import a\n{CHOSEN}\n\n{REST}"),
        (f"#!/bin/python\n{DECLARED}{DEFAULT}{REST}", f"#!/bin/python\n{CHOSEN}{REST}"),
        (f"# A.\n\n# B.\n{DECLARED}{DEFAULT}{REST}", f"# A.\n\n{CHOSEN}{REST}"),
        (f"{DEFAULT}{REST}{DECLARED}", f"{CHOSEN}{REST}"),
        (f"{DECLARED}{REST}{DEFAULT.strip()}", f"{REST}{CHOSEN.strip()}"),
    ],
)
def test_nothing_else_is_touched(before, after):
    assert frozen(before, config={"A": 'q"t'}) == after


def test_a_lookup_behind_the_last_line_gets_a_line_of_its_own():
    before = f"{DECLARED}{REST}{DEFAULT.strip()}"
    text = frozen(before, config={"A": 1}, by_workload={str(SMALL): {"A": 2}})
    assert picks(text, (256, 64), (64, 32)) == {"A": 2}
    assert picks(text, (257, 64), (64, 32)) == {"A": 1}
