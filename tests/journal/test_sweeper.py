"""The sweeper takes what no hint has reached: no broker, no worker, no beat."""

from __future__ import annotations

import threading

from django.db import connection

from journal.sweeper import Sweeper
from tests.exchange.house import House, draft, fresh, move_insurer, received
from tests.exchange.peer import answering, peer
from tests.live import until


def test_it_takes_a_wish_that_nobody_was_told_of(committed_house: House) -> None:
    (row,) = received(draft(committed_house))
    sweeper = Sweeper()

    def run() -> None:
        sweeper.run()
        connection.close()

    with peer(answering()) as insurer:
        move_insurer(committed_house, insurer.base_url)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            until(lambda: fresh(row).state == "SUCCEEDED", seconds=20, what="the sweeper")
        finally:
            sweeper.stop()
            thread.join(20)
    assert len(insurer.requests) == 1
