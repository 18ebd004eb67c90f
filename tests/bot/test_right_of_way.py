"""Acknowledgements go first, and background work is never held up for long."""

from __future__ import annotations

import threading
import time

from bot.right_of_way import RightOfWay


def test_nobody_waits_where_nothing_is_being_kept() -> None:
    assert RightOfWay(longest_wait_s=30.0).give_way() < 5.0


def test_work_waits_until_the_last_delivery_is_kept() -> None:
    way, order = RightOfWay(longest_wait_s=30.0), []

    def work() -> None:
        way.give_way()
        order.append("work")

    worker = threading.Thread(target=work)
    with way.first():
        with way.first():
            worker.start()
            time.sleep(0.05)
        order.append("kept one")
        time.sleep(0.05)
        order.append("kept both")
    worker.join(timeout=20)
    assert order == ["kept one", "kept both", "work"]


def test_constant_fire_holds_work_up_for_a_bounded_time_only() -> None:
    way = RightOfWay(longest_wait_s=0.05)
    with way.first():
        assert 0.05 <= way.give_way() < 10.0


def test_a_delivery_that_could_not_be_kept_lets_work_go_on() -> None:
    way = RightOfWay(longest_wait_s=30.0)
    try:
        with way.first():
            raise OSError("disk gone")
    except OSError:
        pass
    assert way.give_way() < 5.0
