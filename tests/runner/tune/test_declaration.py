"""TUNABLES, CONFIG and pick_config as a model may write them: what is read, and what is refused."""

from __future__ import annotations

from collections import Counter

import pytest

from runner.tune.declaration import DeclarationFault, read_declaration

HEAD = "import triton\n\n"
TUNABLES = 'TUNABLES = {"BLOCK": [64, 128, 256], "num_warps": [4, 8]}\n'
CONFIG = 'CONFIG = {"BLOCK": 128, "num_warps": 4}\n'
PICK = "\n\ndef pick_config(x, y):\n    return CONFIG\n"
ENTRY = "\n\ndef add(x, y):\n    return run(**pick_config(x, y))\n"


def source(tunables=TUNABLES, config=CONFIG, pick=PICK, entry=ENTRY):
    return HEAD + tunables + config + pick + entry


def test_reads_names_values_and_the_default():
    found = read_declaration(source(), "add")
    assert found.tunables == {"BLOCK": (64, 128, 256), "num_warps": (4, 8)}
    assert found.default == {"BLOCK": 128, "num_warps": 4}
    assert found.parameters == ("x", "y")


def test_a_kernel_without_tunables_declares_nothing():
    assert read_declaration(source(tunables=""), "add") is None
    assert read_declaration(HEAD + "def add(x, y):\n    return x\n", "add") is None


def test_annotated_declarations_are_read_as_well():
    tunables = TUNABLES.replace("TUNABLES", "TUNABLES: dict[str, list[int]]")
    assert read_declaration(source(tunables=tunables), "add").default["BLOCK"] == 128


def test_a_docstring_in_pick_config_is_no_fault():
    pick = '\n\ndef pick_config(x, y):\n    """By the inputs."""\n    return CONFIG\n'
    assert read_declaration(source(pick=pick), "add") is not None


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"tunables": "TUNABLES = {}\n"}, "kernel.py:3: TUNABLES must be a dict such as"),
        ({"tunables": "TUNABLES = [1]\n"}, "TUNABLES must be a dict such as"),
        ({"tunables": "TUNABLES = {64: [1]}\n"}, "has the key 64; keys are names in quotes"),
        ({"tunables": "TUNABLES = dict(BLOCK=[64])\n"}, "written out in literals"),
        ({"tunables": 'TUNABLES = {"BLOCK": range(4)}\n'}, "written out in literals"),
        ({"tunables": 'TUNABLES = {"BLOCK": []}\n'}, "must be a list with at least one value"),
        ({"tunables": 'TUNABLES = {"BLOCK": 64}\n'}, "must be a list with at least one value"),
        ({"tunables": 'TUNABLES = {"BLOCK": [[64]]}\n'}, "has [64]; a value is a number"),
        ({"tunables": 'TUNABLES = {"BLOCK": [1e999]}\n'}, "has inf; a value is a number"),
        (
            {"tunables": f"TUNABLES = { ({f'A{i}': [1, 2] for i in range(9)})!r}\n"},
            "has 9 names; at most 8",
        ),
        ({"tunables": TUNABLES * 2}, "kernel.py:4: TUNABLES has more than one value"),
        ({"tunables": TUNABLES.strip() + "; A = 1\n"}, "lines of their own"),
        ({"config": ""}, "kernel.py:3: TUNABLES needs CONFIG beside it"),
        ({"config": 'CONFIG = {"BLOCK": 64}\n'}, "the same keys; they differ in num_warps"),
        ({"config": "CONFIG = 4\n"}, "CONFIG must be a dict such as"),
        ({"config": 'CONFIG = {"BLOCK": [64], "num_warps": 4}\n'}, "CONFIG['BLOCK'] is [64]"),
        ({"config": 'CONFIG = {"BLOCK": N, "num_warps": 4}\n'}, "written out in literals"),
        ({"pick": ""}, "needs exactly one function pick_config"),
        ({"pick": PICK * 2}, "needs exactly one function pick_config"),
        ({"pick": PICK.replace("x, y", "x")}, "must take the entry's parameters: x, y"),
        ({"pick": PICK.replace("return CONFIG", "return {}")}, "must be `return CONFIG`"),
        ({"pick": PICK.replace("    return", "    x = 1\n    return")}, "must be `return CONFIG`"),
        ({"pick": PICK.replace("def ", "@cache\ndef ")}, "must have no decorator"),
        ({"entry": "\n\ndef add(x, y):\n    return run()\n"}, "nothing calls pick_config"),
        (
            {"entry": ENTRY.replace("**pick_config(x, y)", "CONFIG, pick_config(x, y)")},
            "kernel.py:12: CONFIG is used outside pick_config",
        ),
        ({"entry": ENTRY + "\n\nprint(TUNABLES)\n"}, "kernel.py:15: TUNABLES is used"),
        ({"entry": ENTRY + "\n\nCONFIG_BY_SHAPE = {}\n"}, "CONFIG_BY_SHAPE is a name of the tuner"),
        ({"entry": "\n\ndef other(x):\n    return pick_config(x)\n"}, "defines no function add"),
    ],
)
def test_each_breach_is_one_sentence_with_its_line(parts, sentence):
    with pytest.raises(DeclarationFault) as fault:
        read_declaration(source(**parts), "add")
    assert sentence in str(fault.value)
    assert "\n" not in str(fault.value)
    assert fault.value.__cause__ is None


def configurations(lists, default, **limit):
    tunables = f"TUNABLES = {lists!r}\n"
    found = read_declaration(source(tunables=tunables, config=f"CONFIG = {default!r}\n"), "add")
    return found.configurations(**limit)


def test_all_combinations_come_once_the_default_first():
    found = configurations({"A": [1, 2, 3], "B": [4, 5]}, {"A": 2, "B": 5})
    assert found[0] == {"A": 2, "B": 5}
    assert len(found) == 6
    assert len({tuple(config.items()) for config in found}) == 6


def test_a_default_outside_the_lists_is_one_configuration_more():
    assert len(configurations({"A": [1, 2]}, {"A": 7})) == 3


def test_equal_values_of_another_type_are_other_configurations():
    found = configurations({"A": [1, True, 1.0, 1]}, {"A": 1})
    assert [type(config["A"]) for config in found].count(bool) == 1
    assert len(found) == 3


@pytest.mark.parametrize(("names", "values"), [(8, 4), (5, 8), (8, 10), (7, 3)])
def test_of_too_many_combinations_an_even_sample_is_taken(names, values):
    lists = {f"A{place}": list(range(values)) for place in range(names)}
    found = configurations(lists, dict.fromkeys(lists, 0))
    assert len(found) == 512
    assert found[0] == dict.fromkeys(lists, 0)
    assert len({tuple(config.values()) for config in found}) == 512
    for name in lists:
        counts = Counter(config[name] for config in found)
        assert set(counts) == set(range(values))
        assert max(counts.values()) < 1.5 * 512 / values


def test_a_short_sample_is_spread_over_the_whole_as_well():
    lists = {"A": list(range(16)), "B": list(range(16))}
    found = configurations(lists, {"A": 0, "B": 0}, limit=16)
    assert len({config["A"] for config in found}) >= 8
    assert len({config["B"] for config in found}) >= 8
