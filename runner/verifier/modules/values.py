"""The values of a module's inputs, parameters and buffers, made by the judge from a secret seed.

Owns the distributions: as the problem makes them, and two that tell more. Follows the recorded
recipe (`replay`); the problem's code does not run here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from runner.errors import ReferenceFailed
from runner.problem import Problem
from runner.spec_module import ModuleForm
from runner.verifier.arena import dtype_name, torch_dtype
from runner.verifier.bytewise import same_bytes
from runner.verifier.modules.job import call_seed
from runner.verifier.modules.replay import Replay

if TYPE_CHECKING:
    from runner.verifier.inputs import Case

AS_GIVEN = "as given"
# Inputs from [0, 1) say nothing of a sign: a copy is a ReLU there.
WIDER = "normal inputs"
# A new norm's weights are ones and its biases zeros: leaving them out would be right.
OTHER_PARAMETERS = "other parameters"
_PARAMETER_NOISE = 0.25


def is_optional(case: Case) -> bool:
    """Whether the case is asked only where the reference's own answer is finite."""
    return case.distribution in (WIDER, OTHER_PARAMETERS)


def fixed_parameters(problem: Problem, case: Case, device: torch.device) -> frozenset[str]:
    """The names of the parameters that come out the same under every seed, as a norm's do."""
    form = problem.module
    if form is None:
        return frozenset()
    rows = [spec for spec in problem.inputs if spec.part == "parameter"]
    elements = sum(math.prod(spec.concrete_shape(case.workload)) for spec in problem.inputs)
    seeds = (call_seed(problem, case), call_seed(problem, case) ^ 1)
    made = [Replay(torch.Generator(device).manual_seed(seed), elements) for seed in seeds]
    for replay in made:
        replay.follow(form.recipe.builds)
    places = {spec.name: form.recipe.results[spec.name][1:] for spec in rows}
    return frozenset(
        name
        for name, (step, number) in places.items()
        if same_bytes(*(replay.result(step, number) for replay in made))
    )


def make_values(
    problem: Problem, form: ModuleForm, case: Case, device: torch.device
) -> dict[str, torch.Tensor]:
    """Tensors by name, in the spec's order. Raises ReferenceFailed for a recipe at fault.

    Parameters are what `torch.manual_seed(call_seed(…))` gives a module that is made on `device`.
    """
    rows = [(spec, spec.concrete_shape(case.workload)) for spec in problem.inputs]
    elements = sum(math.prod(shape) for _, shape in rows)
    recipe = form.recipe
    noisy: frozenset[str] = frozenset()
    if case.distribution == OTHER_PARAMETERS:
        every = frozenset(spec.name for spec in problem.inputs if spec.part == "parameter")
        # What the seed makes is other with every case as it is.
        noisy = fixed_parameters(problem, case, device) or every
    builds = Replay(torch.Generator(device).manual_seed(call_seed(problem, case)), elements)
    builds.follow(recipe.builds)
    draws = Replay(
        torch.Generator(device).manual_seed(case.seed),
        elements,
        recipe.free if case.distribution == WIDER else (),
    )
    draws.follow(recipe.draws)
    noise = torch.Generator(device).manual_seed(case.seed ^ 3)
    values: dict[str, torch.Tensor] = {}
    for spec, shape in rows:
        which, step, number = recipe.results[spec.name]
        made = (draws if which == "draws" else builds).result(step, number)
        if tuple(made.shape) != shape or made.dtype is not torch_dtype(spec.dtype):
            raise ReferenceFailed(
                f"the recipe makes {spec.name} as {dtype_name(made.dtype)}{list(made.shape)}; "
                f"the spec says {spec.dtype}{list(shape)}"
            )
        if spec.name in noisy and made.is_floating_point():
            drawn = torch.empty(shape, dtype=torch.float32, device=device)
            drawn.normal_(0.0, _PARAMETER_NOISE, generator=noise)
            made = made + drawn.to(made.dtype)
        values[spec.name] = made
    return values
