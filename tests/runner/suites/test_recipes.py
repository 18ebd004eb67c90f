"""A recipe gives what the problem's own code gives, and only what is allowed is followed."""

from __future__ import annotations

import json

import pytest
import torch

from runner.errors import ProblemError, ReferenceFailed
from runner.problem import parse_problem
from runner.recipe import Recipe
from runner.suites.kernelbench import list_files, problem_from
from runner.verifier.arena import Arena
from runner.verifier.gpu.input_sets import InputSets
from runner.verifier.inputs import NORMAL, Case, make_inputs, plan_cases
from runner.verifier.integrity import library_calls_of
from runner.verifier.modules.describe import describe
from runner.verifier.modules.job import call_seed
from runner.verifier.modules.recorder import Unrecordable
from runner.verifier.modules.replay import Replay
from runner.verifier.modules.values import OTHER_PARAMETERS, WIDER
from runner.verifier.precise import call_in_float64

LEVEL_1 = [f"1/{number}" for number in range(1, 13)]
ALL = [*LEVEL_1, "2/1", "2/2", "2/3"]


def _case(problem, distribution=NORMAL, seed=11):
    return Case(workload=problem.tests[0], distribution=distribution, seed=seed)


def _flat(values):
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        elif isinstance(value, torch.Tensor):
            yield value


@pytest.mark.parametrize("key", ALL)
def test_inputs_are_bit_for_bit_those_of_get_inputs_under_the_seed(looking, key):
    problem, module = looking.problem(key), looking.module(key)
    made = make_inputs(problem, _case(problem))
    torch.manual_seed(11)
    given = list(_flat(module.get_inputs()))
    ours = [made[row.name] for row in problem.inputs if row.part == "input"]
    assert len(ours) == len(given)
    for one, other in zip(ours, given, strict=True):
        assert one.dtype is other.dtype
        assert torch.equal(one, other)


@pytest.mark.parametrize("key", ["1/4", "1/7", "2/1", "2/2", "2/3"])
def test_parameters_are_bit_for_bit_those_of_a_new_model_under_the_seed(looking, key):
    problem, module = looking.problem(key), looking.module(key)
    made = make_inputs(problem, _case(problem))
    torch.manual_seed(call_seed(problem, _case(problem)))
    state = module.Model(*module.get_init_inputs()).state_dict()
    ours = {row.state: made[row.name] for row in problem.inputs if row.part != "input"}
    assert ours.keys() == state.keys()
    assert all(torch.equal(ours[name], state[name]) for name in state)


def test_a_worker_cannot_make_the_inputs_from_the_seed_it_is_told(looking):
    problem = looking.problem("2/1")
    case = _case(problem)
    torch.manual_seed(call_seed(problem, case))
    assert not torch.equal(torch.rand(10, 24), make_inputs(problem, case)["x"])


def test_two_seeds_give_two_draws(looking):
    problem = looking.problem("1/3")
    one, other = (make_inputs(problem, _case(problem, seed=seed))["a"] for seed in (1, 2))
    assert not torch.equal(one, other)
    assert torch.equal(one, torch.tril(one))


def test_wider_inputs_keep_what_was_computed(looking):
    problem = looking.problem("1/8")
    made = make_inputs(problem, _case(problem, WIDER))
    assert bool((made["x"] < 0).any())
    assert made["mask"].dtype is torch.bool
    # A triangle is made from [0, 1) and then cut: it is not an input as it was drawn.
    assert looking.problem("1/3").module.recipe.free == ()


def test_other_parameters_are_not_a_new_layers(looking):
    problem = looking.problem("1/4")
    made = make_inputs(problem, _case(problem, OTHER_PARAMETERS))
    assert len(made["p_norm_weight"].unique()) > 1
    assert len(make_inputs(problem, _case(problem))["p_norm_weight"].unique()) == 1


def test_the_plan_asks_five_times_as_given_and_then_what_tells_more(looking):
    names = [case.distribution for case in plan_cases(looking.problem("1/4"), 3)]
    assert [name.startswith("as given") for name in names] == [True] * 5 + [False] * 2
    assert names[5:] == [WIDER, OTHER_PARAMETERS]
    quick = plan_cases(looking.problem("1/9"), 3, quick=True)
    assert [case.distribution for case in quick] == ["as given", WIDER]


def test_a_problem_of_one_operation_leaves_nothing_to_the_library(looking):
    alone, several = looking.problem("1/3"), looking.problem("2/2")
    assert (alone.policy, alone.module.library_calls) == ("triton-only", 0)
    assert (several.policy, several.library_ops) == ("mixed", ("add", "convolution", "relu"))
    assert several.module.library_calls == 2


def test_layers_count_the_same_on_every_device():
    dropout = {"addmm": 1, "gelu": 1, "bernoulli_": 1, "div_": 1, "mul": 1, "view": 4}
    assert library_calls_of(dropout) == 3
    assert library_calls_of({"addmm": 1, "gelu": 1, "native_dropout": 1}) == 3
    assert library_calls_of({"native_batch_norm": 2, "add_": 3}) == 3  # one add_ is its own
    assert library_calls_of({"cudnn_batch_norm": 2, "add_": 3}) == 3
    assert library_calls_of({"bmm": 2, "mul": 2, "_safe_softmax": 1}) == 1
    assert library_calls_of({"mul": 2}) == 2


def test_a_layer_of_one_operation_stays_one(looking):
    norm = looking.problem("1/7")
    assert (norm.policy, norm.module.library_calls) == ("triton-only", 0)


def test_a_spec_reads_back_as_the_same_problem(looking):
    problem = looking.problem("2/3")
    assert parse_problem(problem.toml_text, problem.reference_text) == problem


def test_forms_of_arguments_and_outputs(looking):
    nested = looking.problem("2/3")
    assert nested.module.call == (["pair_0", "pair_1"],)
    assert [row.shape for row in nested.outputs] == [(5, 3, 8), (1, 3, 8), (3, 8)]
    assert looking.problem("1/10").module.call == ("x", 3.25)
    assert [row.dtype for row in looking.problem("1/6").outputs] == ["float32", "int64"]
    assert looking.problem("2/1").module.random
    assert not looking.problem("2/2").module.random


def test_values_that_decide_about_values_are_told(looking):
    with pytest.raises((Unrecordable, RuntimeError), match="meta tensors"):
        describe(looking.module("1/14"))


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (["set_.source_Storage", [{"of": [0, 0]}], {}], "not known"),
        (["from_file.", ["/etc/passwd"], {}], "not known"),
        (["__class__.", [], {}], "not known"),
        (["zeros.default", [[1 << 40]], {}], "nobody declared"),
        (["rand.default", [[1 << 40]], {}], "nobody declared"),
        (["repeat.default", [{"of": [0, 0]}, [1 << 40]], {}], "nobody declared"),
        (["add.Tensor", [{"of": [7, 0]}, 1], {}], "index"),
    ],
)
def test_a_hostile_step_is_not_followed(step, reason):
    replay = Replay(torch.Generator().manual_seed(1), elements=100)
    with pytest.raises(ReferenceFailed, match=reason):
        replay.follow([["rand.default", [[4]], {}], step])


@pytest.mark.parametrize(
    "change",
    [
        {"draws": "rand"},
        {"draws": [["rand.default", [[4]]]]},
        {"results": {"x": ["draws", 99, 0]}},
        {"results": {}},
        {"free": ["0"]},
        {"more": 1},
    ],
)
def test_a_malformed_recipe_is_a_fault_of_the_spec(looking, change):
    problem = looking.problem("1/1")
    recipe = {**json.loads(problem.module.recipe.to_json()), **change}
    text = problem.toml_text.split("recipe = ")[0] + f"recipe = {json.dumps(json.dumps(recipe))}\n"
    with pytest.raises(ProblemError, match=r"module\.recipe: "):
        parse_problem(text, problem.reference_text)


def test_a_recipe_survives_its_text(looking):
    recipe = looking.problem("2/2").module.recipe
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_an_index_says_where_it_ends(looking):
    targets = looking.problem("1/9").inputs[1]
    assert (targets.dtype, targets.low, targets.high) == ("int64", 0, 11)
    assert looking.problem("1/8").inputs[1].high is None  # a mask is no index


def test_timed_input_sets_have_their_parameters_in_common(looking):
    problem = looking.problem("2/1")
    arena = Arena.create(1 << 20)
    try:
        sets = InputSets(problem, problem.benchmarks[0], arena, seed=3)
        before = [sets.values(number) for number in range(3)]
        sets.refresh()
        after = [sets.values(number) for number in range(3)]
    finally:
        arena.close()
    for one in (*before[1:], *after):
        assert torch.equal(one["p_linear_weight"], before[0]["p_linear_weight"])
    assert not torch.equal(before[0]["x"], before[1]["x"])
    assert not torch.equal(before[0]["x"], after[0]["x"])
    case = Case(
        workload=problem.tests[0], distribution=NORMAL, seed=9, module_seed=sets.module_seed
    )
    # A module that is built under the sets' seed has the parameters that lie in them.
    torch.manual_seed(call_seed(problem, case))
    built = looking.module("2/1").Model(24, 40, 0.25)
    assert torch.equal(built.linear.weight, before[0]["p_linear_weight"])


def test_the_mask_in_float64_is_the_one_of_float32():
    def entry(x):
        return torch.nn.functional.dropout(x, 0.25, training=True)

    x = torch.rand(500) + 1
    torch.manual_seed(4)
    low = entry(x)
    torch.manual_seed(4)
    exact = call_in_float64(entry, [x.double()])
    assert exact.dtype is torch.float64
    assert torch.equal(low == 0, exact == 0)
    assert torch.allclose(low.double(), exact, rtol=1e-6)


def test_constant_inputs_are_refused(looking, tmp_path):
    text = looking.suite.joinpath("level1", "1_ReLU.py").read_text()
    (tmp_path / "1_Ones.py").write_text(text.replace("torch.rand(", "torch.ones("))
    (file,) = list_files(tmp_path)
    module = looking.module("1/1")
    module.get_inputs = lambda: [torch.ones(4, 4)]
    with pytest.raises(ReferenceFailed, match=r"1_Ones\.py: get_inputs draws nothing"):
        problem_from(file, text, describe(module))
