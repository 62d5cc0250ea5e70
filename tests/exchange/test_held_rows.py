"""What a row that somebody else holds, a late conclusion and a new interface must not do to a transaction."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from pytest_django import Settings

from core.models import Transition
from exchange.models import Call, Transaction, Verdict
from exchange.selectors.interfaces import interfaces
from exchange.services.verdicts import answers_give
from journal import drain
from journal.models import Job
from tests.exchange.house import House, conclude, connect, draft, fresh, move_insurer, perform, received, take
from tests.exchange.peer import answering, peer
from tests.roles import as_role


@contextmanager
def somebody_holds(sql: str, parameters: list[Any]) -> Iterator[None]:
    """Another connection has locked the rows that `sql` selects."""
    settings = connection.settings_dict
    other = psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        dbname=settings["NAME"],
    )
    try:
        other.execute("SET ROLE medisettle_worker")
        other.execute(sql, parameters)
        yield
    finally:
        other.rollback()
        other.close()


def test_an_answer_whose_bill_is_held_waits_alone_and_is_concluded_later(committed_house: House) -> None:
    house = committed_house
    wishes = received(*(draft(house) for _ in range(5)))
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        outcomes = perform(take(house).works)
    held = wishes[2]
    with as_role("worker"), somebody_holds("SELECT 1 FROM exchange_bill WHERE id = %s FOR UPDATE", [held.bill_id]):
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '300ms'")
        again = drain.outcomes_conclude(outcomes)
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert [outcome.work.job.subject_id for outcome in again] == [held.pk]
    assert Transaction.objects.filter(state="SUCCEEDED").count() == 4
    assert Job.objects.filter(parked_at__isnull=False).count() == 0
    conclude(again)
    assert fresh(held).state == "SUCCEEDED"


def test_a_wish_whose_row_is_held_is_armed_later_and_its_neighbours_now(committed_house: House) -> None:
    house = committed_house
    wishes = received(*(draft(house) for _ in range(5)))
    held = wishes[1]
    with (
        as_role("worker"),
        somebody_holds("SELECT 1 FROM exchange_transaction WHERE id = %s FOR UPDATE", [held.pk]),
    ):
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '300ms'")
        turn = take(house)
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert len(turn.works) == 4
    job = Job.objects.get(subject_id=held.pk)
    assert (fresh(held).state, job.kind, job.parked_at) == ("RECEIVED", "exchange.send", None)


def test_a_guard_and_a_late_conclusion_do_not_deadlock(
    committed_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house = committed_house
    rows = received(*(draft(house) for _ in range(3)))
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        outcomes = perform(take(house).works)
    Job.objects.update(run_at=rows[0].received_at)
    claimed = threading.Event()

    def after_the_claim(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        result = execute(sql, parameters, many, context)
        if "SKIP LOCKED" in sql:
            claimed.set()
            time.sleep(0.5)
        return result

    def guard() -> None:
        with connection.execute_wrapper(after_the_claim):
            take(house)
        connection.close()

    sweeper = threading.Thread(target=guard)
    sweeper.start()
    assert claimed.wait(10)
    conclude(outcomes)
    sweeper.join(20)
    assert [record.getMessage() for record in caplog.records if record.name == "journal.drain"] == []
    doubts = Transition.objects.filter(to_state="IN_DOUBT").count()
    assert doubts == 3, "the guard came first"
    assert {row.state for row in Transaction.objects.all()} == {"SUCCEEDED"}, "and the late answers prove"
    assert Call.objects.filter(outcome="DONE").count() == 3, "and the answers are kept"


def test_an_answer_that_waited_for_our_database_is_still_believed(house: House, settings: Settings) -> None:
    (row,) = received(draft(house))
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        outcomes = perform(take(house).works)
    settings.CLOCK_OFFSET_SECONDS = 300
    conclude(outcomes)
    assert fresh(row).state == "SUCCEEDED"


def test_a_wish_for_an_interface_that_this_process_has_not_read_yet_is_sent(house: House) -> None:
    interfaces()
    interface = connect("INS-NEW", scheme="777")
    (row,) = received(draft(house, scheme="777"))
    turn = drain.jobs_take(free_slots={interface.lane_id: 10}, overdue=timedelta(0))
    assert len(turn.works) == 1
    assert fresh(row).state == "SENDING"


def test_a_verdict_that_was_committed_between_two_looks_is_told(committed_house: House) -> None:
    house = committed_house
    (row,) = received(draft(house))
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        outcomes = perform(take(house).works)

    def concluding() -> None:
        conclude(outcomes)
        connection.close()

    def after_the_first_look(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        result = execute(sql, parameters, many, context)
        if outcomes and 'FROM "exchange_transaction"' in sql:
            worker = threading.Thread(target=concluding)
            worker.start()
            worker.join()
        return result

    with connection.execute_wrapper(after_the_first_look):
        (told,) = answers_give(organisation_id=row.organisation_id, his_nos=[row.his_no], now=row.received_at)
    assert isinstance(told, dict)
    assert told["verdict"] == "succeeded"
    assert not Verdict.objects.filter(transaction=row, verdict="pending").exists()
