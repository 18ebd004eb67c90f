"""Lists that lag behind, answers that get lost, deliveries out of order."""

from __future__ import annotations

import pytest

from bot.standin.api.call import Reply, created, ok
from bot.standin.faults import Faults
from bot.standin.late_lists import LateLists
from bot.standin.webhooks import Webhooks


@pytest.mark.parametrize("made", [{"id": 7}, {"workflow_run_id": 7}])
@pytest.mark.parametrize("rows", [[{"id": 1}, {"id": 7}], []])
def test_a_list_lacks_what_was_made_a_moment_ago(made: dict[str, int], rows: list[object]) -> None:
    lists = LateLists()
    lists.show("POST", created(made), 60.0)
    old = rows[:1]
    assert lists.show("GET", ok(rows), 60.0).data == old
    inside = {"total_count": 2, "workflow_runs": rows}
    assert lists.show("GET", ok(inside), 60.0).data == {"total_count": 2, "workflow_runs": old}
    assert lists.show("GET", ok(rows), 0.0).data == rows


def test_the_thing_itself_is_never_late() -> None:
    lists = LateLists()
    lists.show("POST", created({"id": 7}), 60.0)
    single = Reply(status=200, data={"id": 7})
    assert lists.show("GET", single, 60.0) is single


def test_a_late_delivery_comes_after_the_one_that_follows_it() -> None:
    faults = Faults()
    faults.deliver_late("issues.opened")
    hooks = Webhooks(url=None, secret="s", app_id=1, faults=faults)
    first, second = (hooks.send("issues", {"action": name}) for name in ("opened", "labeled"))
    assert [hooks._queue.get_nowait() for _ in range(2)] == [second, first]


def test_forgotten_faults_do_not_happen() -> None:
    faults = Faults()
    faults.lose_answer("POST", "/x")
    faults.list_late(5.0)
    faults.forget()
    assert faults.take("land", "POST /x") is None
    assert faults.list_delay_s == 0.0
