"""The engine of a worker process: store, commit, then send. A commit that failed sends nothing."""

from __future__ import annotations

import time
from typing import Any

from core.clock import database_now
from exchange.models import Call
from exchange.services.receive import transactions_receive
from tests.exchange.house import House, draft, forget_processes, fresh, move_insurer, received
from tests.exchange.peer import answering, peer
from tests.live import until
from tests.roles import rows
from tests.world import working_engine

BROKEN_COMMIT = """
CREATE FUNCTION commit_breaks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is full'; END $$;
CREATE CONSTRAINT TRIGGER commit_breaks AFTER INSERT ON exchange_call DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION commit_breaks();
"""


def test_nothing_is_sent_before_its_commit_has_succeeded(committed_house: House) -> None:
    house = committed_house
    (row,) = received(draft(house))
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        rows("UPDATE journal_workergroup SET code = 'lanes' WHERE code <> 'platform'")
        rows(BROKEN_COMMIT)
        try:
            with working_engine():
                time.sleep(1.5)
                assert insurer.requests == []
                assert (fresh(row).state, Call.objects.count()) == ("RECEIVED", 0)
        finally:
            rows("DROP TRIGGER commit_breaks ON exchange_call")
            rows("DROP FUNCTION commit_breaks")
        with working_engine():
            until(lambda: fresh(row).state == "SUCCEEDED", seconds=10)
        assert len(insurer.requests) == 1
    forget_processes()


def test_no_more_calls_are_under_way_than_the_lane_carries(committed_house: House) -> None:
    house = committed_house
    rows("UPDATE journal_workergroup SET code = 'lanes', concurrency = 1 WHERE code <> 'platform'")
    rows("UPDATE journal_lane SET cap_in_flight = 6")
    transactions_receive(drafts=[draft(house) for _ in range(20)], now=database_now())
    slow = answering()

    def slowly(*request: Any) -> Any:
        time.sleep(0.3)
        return slow(*request)

    with peer(slowly) as insurer:
        move_insurer(house, insurer.base_url)
        most = 0
        with working_engine():
            give_up_at = time.monotonic() + 15
            while rows("SELECT count(*) FROM exchange_transaction WHERE state <> 'SUCCEEDED'") != [(0,)]:
                most = max(most, Call.objects.filter(outcome=None).count())
                assert time.monotonic() < give_up_at
    # Six in all, half of them for this child and half for the sweeper.
    assert most == 3
