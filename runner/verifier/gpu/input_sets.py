"""The inputs of timed calls: several sets side by side, with fresh contents before every burst.

Owns where they lie and how they change. No timed call meets a pointer with the contents it had
before, so an answer from memory is a wrong answer. Whatever is written here has arrived before
another process is told of it: an index that is still poison reads anywhere.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping
from typing import Any

import torch

from runner.contract import Workload
from runner.problem import Problem
from runner.verifier.arena import SharedMemory, Slot, end_of, lay_out, settle
from runner.verifier.inputs import NORMAL, Case, make_inputs

MAX_SETS = 8
_SLABS = 8  # of each tensor, this many places get new values before each burst
_SLAB_SHARE = 64  # each is this part of the tensor


class InputSets:
    """The sets for one workload in a shared arena, and a well of further values beside them."""

    def __init__(
        self, problem: Problem, workload: Workload, arena: SharedMemory, seed: int
    ) -> None:
        self._arena = arena
        self._draw = random.Random(seed)  # noqa: S311 - seeded from the judge's secret
        rows = [(spec.dtype, spec.concrete_shape(workload)) for spec in problem.inputs]
        self._names = [spec.name for spec in problem.inputs]
        # A module's parameters are the same in all sets: one that packs them packs them once.
        self._changing = [spec.name for spec in problem.inputs if spec.part == "input"]
        self.module_seed = seed
        self.slots: list[tuple[Slot, ...]] = []
        start = 0
        for _ in range(set_count(problem, workload, arena.size_bytes)):
            slots = lay_out(rows, start)
            self.slots.append(slots)
            start = slots[-1].next_offset
        self.outputs_at = start
        for number, slots in enumerate(self.slots):
            self._put(slots, self._make(problem, workload, seed + 1 + number))
        self._well = self._make(problem, workload, seed)
        settle(arena.device)

    def refresh(self) -> None:
        """New values at random places of every set."""
        for slots in self.slots:
            for name, slot in zip(self._changing, slots, strict=False):
                target = self._arena.tensor(slot).view(-1)
                source = self._well[name].view(-1)
                size = max(1, target.numel() // _SLAB_SHARE)
                for _ in range(_SLABS if target.numel() else 0):
                    to, at = (self._draw.randrange(target.numel() - size + 1) for _ in range(2))
                    target[to : to + size].copy_(source[at : at + size])
        settle(self._arena.device)

    def values(self, number: int) -> dict[str, torch.Tensor]:
        """A private copy of what set `number` holds now."""
        slots = self.slots[number]
        return {
            name: self._arena.tensor(slot).clone()
            for name, slot in zip(self._names, slots, strict=True)
        }

    def rows(self, count: int) -> list[list[dict[str, Any]]]:
        """The first `count` sets, as a worker is told of them."""
        return [[slot.to_json() for slot in slots] for slots in self.slots[:count]]

    def _make(self, problem: Problem, workload: Workload, seed: int) -> dict[str, torch.Tensor]:
        case = Case(workload=workload, distribution=NORMAL, seed=seed, module_seed=self.module_seed)
        return make_inputs(problem, case, self._arena.device)

    def _put(self, slots: tuple[Slot, ...], values: Mapping[str, torch.Tensor]) -> None:
        for name, slot in zip(self._names, slots, strict=True):
            self._arena.tensor(slot).copy_(values[name])


class TimedInputs:
    """The input sets of one verdict. The arena holds those of one workload at a time."""

    def __init__(self, problem: Problem, arena: SharedMemory) -> None:
        self._problem = problem
        self._arena = arena
        self._held: tuple[Workload, InputSets] | None = None

    def of(self, workload: Workload) -> InputSets:
        """The sets of `workload`, made where the arena holds others."""
        if self._held is None or self._held[0] != workload:
            seed = secrets.randbits(48)
            self._held = (workload, InputSets(self._problem, workload, self._arena, seed))
        return self._held[1]


def set_count(problem: Problem, workload: Workload, room_bytes: int) -> int:
    """How many sets fit into `room_bytes` beside the outputs; 0 when not even one does."""
    inputs = [(spec.dtype, spec.concrete_shape(workload)) for spec in problem.inputs]
    outputs = [(spec.dtype, spec.concrete_shape(workload)) for spec in problem.outputs]
    one = lay_out(inputs)[-1].next_offset
    left = room_bytes - end_of(lay_out(outputs))
    return max(0, min(MAX_SETS, left // one))


def room_bytes(problem: Problem, workload: Workload, sets: int) -> int:
    """What `sets` input sets and the outputs of `workload` take in an arena."""
    inputs = [(spec.dtype, spec.concrete_shape(workload)) for spec in problem.inputs]
    outputs = [(spec.dtype, spec.concrete_shape(workload)) for spec in problem.outputs]
    return sets * lay_out(inputs)[-1].next_offset + end_of(lay_out(outputs)) + (1 << 20)
