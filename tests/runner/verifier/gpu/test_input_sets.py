"""The inputs of timed calls: where they lie, that they change, and what stays within its range."""

from __future__ import annotations

import itertools

import pytest
import torch

from runner.contract import Workload
from runner.verifier.arena import Arena, Slot
from runner.verifier.gpu import input_sets
from runner.verifier.gpu.input_sets import MAX_SETS, InputSets, room_bytes, set_count
from runner.verifier.inputs import NORMAL, Case, make_inputs
from tests.runner.verifier.gpu.problems import problem_of

PROBLEM = problem_of(
    "x: M N float16, w: N float32, i: M int32 0..N, flag: M bool, empty: 0 N float32",
    outputs="y: M N float16",
    tests=("M=3 N=64",),
    benchmarks=("M=128 N=300",),
)
WORKLOAD = PROBLEM.benchmarks[0]


@pytest.fixture
def sets():
    arena = Arena.create(room_bytes(PROBLEM, WORKLOAD, 4))
    yield InputSets(PROBLEM, WORKLOAD, arena, seed=11)
    arena.close()


def spans(sets):
    return sorted(
        (slot.offset, slot.offset + slot.size_bytes)
        for slots in sets.slots
        for slot in slots
        if slot.size_bytes
    )


def test_sets_do_not_overlap_and_leave_room_for_the_outputs(sets):
    found = spans(sets)
    assert len(found) == len(sets.slots) * 4
    for (_, end), (start, _) in itertools.pairwise(found):
        assert end <= start
    assert found[-1][1] <= sets.outputs_at
    output_bytes = 128 * 300 * 2
    assert sets.outputs_at + output_bytes <= room_bytes(PROBLEM, WORKLOAD, len(sets.slots))


def test_every_set_has_contents_of_its_own_as_the_case_draws_them(sets):
    seen = [sets.values(number)["x"] for number in range(len(sets.slots))]
    assert not any(torch.equal(one, two) for n, one in enumerate(seen) for two in seen[:n])
    case = Case(workload=WORKLOAD, distribution=NORMAL, seed=11 + 1 + 2)
    for name, due in make_inputs(PROBLEM, case).items():
        assert torch.equal(sets.values(2)[name], due)


@pytest.mark.parametrize("name", ["x", "w", "i", "flag"])
def test_a_refresh_changes_every_set_at_some_places_only(name, sets):
    before = [sets.values(number)[name] for number in range(len(sets.slots))]
    sets.refresh()
    for number, old in enumerate(before):
        changed = (sets.values(number)[name] != old).sum().item()
        # Eight stretches of a 64th each.
        assert changed <= max(8, old.numel() // 8)
        assert changed > 0 or name == "flag"


def test_no_refresh_leaves_a_set_as_it_was_before_any_other(sets):
    seen = []
    for _ in range(12):
        sets.refresh()
        seen += [sets.values(number)["w"] for number in range(len(sets.slots))]
    assert not any(torch.equal(one, two) for n, one in enumerate(seen) for two in seen[:n])


def test_the_first_and_the_last_element_change_sooner_or_later(sets):
    """Whoever keys its answers by the corners of a tensor must meet new ones."""
    corners = {0: set(), -1: set()}
    for _ in range(120):
        sets.refresh()
        values = sets.values(0)["i"]
        for place, met in corners.items():
            met.add(values[place].item())
    assert min(map(len, corners.values())) > 3


def test_integers_and_flags_stay_within_their_range(sets):
    for _ in range(20):
        sets.refresh()
    for number in range(len(sets.slots)):
        values = sets.values(number)
        assert values["i"].min() >= 0
        assert values["i"].max() < 300
        assert values["flag"].view(torch.uint8).max() <= 1


def test_values_are_private_copies(sets):
    kept = sets.values(0)
    before = kept["x"].clone()
    sets._arena.fill(0, sets.outputs_at)
    assert torch.equal(kept["x"], before)
    kept["x"].zero_()
    sets.refresh()
    assert sets.values(0)["x"].count_nonzero() > 0


def test_a_worker_is_told_of_the_first_sets_as_they_lie(sets):
    rows = sets.rows(2)
    assert [[Slot.from_json(row) for row in one] for one in rows] == [
        list(slots) for slots in sets.slots[:2]
    ]


def test_another_seed_gives_other_values():
    seen = []
    for seed in (1, 5000):
        arena = Arena.create(room_bytes(PROBLEM, WORKLOAD, 1))
        seen.append(InputSets(PROBLEM, WORKLOAD, arena, seed).values(0)["x"])
        arena.close()
    assert not torch.equal(*seen)


@pytest.mark.parametrize("wanted", [1, 2, 5, MAX_SETS])
def test_room_for_some_sets_holds_at_least_as_many(wanted):
    room = room_bytes(PROBLEM, WORKLOAD, wanted)
    assert wanted <= set_count(PROBLEM, WORKLOAD, room) <= MAX_SETS


def test_there_are_never_more_sets_than_are_of_use():
    assert set_count(PROBLEM, WORKLOAD, 1 << 40) == MAX_SETS


@pytest.mark.parametrize("elements", [1 << 20, 3 << 20])
def test_a_set_more_takes_its_bytes(elements):
    problem = problem_of("x: N float32")
    workload = Workload(axes={"N": elements})
    one, two = (room_bytes(problem, workload, count) for count in (1, 2))
    assert two - one == 4 * elements
    assert set_count(problem, workload, 4 * elements) == 0  # no room for the output
    assert set_count(problem, workload, 8 * elements) == 1
    assert set_count(problem, workload, 12 * elements - 1) == 1
    assert set_count(problem, workload, 12 * elements) == 2


def test_a_scalar_and_a_single_element_can_be_refreshed():
    problem = problem_of("x: N float32, s: 1 float32", tests=("N=1",), benchmarks=("N=1",))
    arena = Arena.create(room_bytes(problem, problem.benchmarks[0], 2))
    sets = InputSets(problem, problem.benchmarks[0], arena, seed=3)
    first = sets.values(0)["x"]
    sets.refresh()
    assert not torch.equal(sets.values(0)["x"], first)
    arena.close()


def test_all_values_have_arrived_before_anybody_is_told_of_them(monkeypatch):
    """On a GPU writing is asynchronous, and a worker that reads too early meets any index."""
    arena = Arena.create(room_bytes(PROBLEM, WORKLOAD, 2))

    def contents():
        return arena.tensor(Slot(dtype="uint8", shape=(arena.size_bytes,), offset=0)).clone()

    arrived = []
    monkeypatch.setattr(input_sets, "settle", lambda device: arrived.append(contents()))
    sets = InputSets(PROBLEM, WORKLOAD, arena, seed=11)
    assert torch.equal(arrived[-1], contents())
    sets.refresh()
    assert len(arrived) == 2
    assert not torch.equal(arrived[0], contents())
    assert torch.equal(arrived[1], contents())
    arena.close()
