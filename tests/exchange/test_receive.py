"""A wish arrives: it acts once, whatever is repeated, raced or torn; and only where the bill allows it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction

from core.row_security import seen_by
from exchange.models import IdempotencyKey, Transaction
from exchange.selectors.routing import NoRoute
from exchange.services.guards import BillBusy, BillSettled
from exchange.services.receive import HisNoReused, KeyReused, Received, WishDraft, transactions_receive
from journal.models import Job
from tests.exchange.house import House, connect, draft, fresh, receive, received
from tests.exchange.test_states import put
from tests.roles import as_role, refused, rows

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def problem_of(one: WishDraft) -> Any:
    (result,) = receive(one)
    return result.problem


def stored() -> tuple[int, int, int]:
    """Transactions, idempotency claims and jobs."""
    return Transaction.objects.count(), IdempotencyKey.objects.count(), Job.objects.count()


def test_a_wish_is_stored_with_its_claim_and_its_job(house: House) -> None:
    (row,) = received(draft(house, "W-1"))
    (job,) = Job.objects.all()
    assert (row.state, row.his_no, row.version) == ("RECEIVED", "W-1", 0)
    assert (job.kind, job.subject_id, job.lane_id) == ("exchange.send", row.pk, house.lane.pk)
    assert (job.run_at, job.attempts, job.lease_token, job.trace_id) == (row.received_at, 0, None, row.trace_id)
    assert stored() == (1, 1, 1)


def test_the_person_is_stored_in_no_column_in_clear(house: House) -> None:
    received(draft(house, "W-1"))
    ((whole_row,),) = rows("SELECT row_to_json(t)::text FROM exchange_transaction t")
    assert "110101199001011237" not in whole_row
    assert "张三丰" not in whole_row
    assert b"110101199001011237".hex() not in whole_row


# Idempotency ---------------------------------------------------------------------------------------


def test_the_same_key_with_the_same_body_is_a_replay(house: House) -> None:
    one = draft(house, "W-1")
    (row,) = received(one)
    assert receive(one) == [Received(row.pk, "W-1", replayed=True)]
    assert stored() == (1, 1, 1)


def test_the_same_key_with_another_body_is_refused(house: House) -> None:
    one = draft(house, "W-1")
    received(one)
    problem = problem_of(replace(draft(house, "W-2"), idempotency_key=one.idempotency_key))
    assert isinstance(problem, KeyReused)
    assert problem.status == 422
    assert stored() == (1, 1, 1)


def test_a_new_key_for_the_same_wish_is_a_replay(house: House) -> None:
    one = draft(house, "W-1")
    (row,) = received(one)
    assert receive(replace(one, idempotency_key="another")) == [Received(row.pk, "W-1", replayed=True)]
    assert Transaction.objects.count() == 1


def test_a_key_that_came_with_a_replay_belongs_to_that_wish_too(house: House) -> None:
    one = draft(house, "W-1")
    received(one)
    receive(replace(one, idempotency_key="another"))
    assert isinstance(problem_of(replace(draft(house, "W-2"), idempotency_key="another")), KeyReused)
    assert Transaction.objects.count() == 1


def test_a_new_key_for_a_known_his_no_with_another_body_is_refused_with_the_verdict(house: House) -> None:
    received(draft(house, "W-1"))
    problem = problem_of(draft(house, "W-1", note="changed", idempotency_key="another"))
    assert isinstance(problem, HisNoReused)
    assert problem.status == 409
    assert problem.extra["transaction"] == {"his_no": "W-1", "verdict": "pending", "state": "RECEIVED"}
    assert stored() == (1, 1, 1)


def test_a_refused_request_may_come_again_with_its_key_once_the_cause_is_gone(house: House) -> None:
    (first,) = received(draft(house, "W-1", bill_no="B-7", visit_no="V-7"))
    second = draft(house, "W-2", bill_no="B-7", visit_no="V-7")
    assert isinstance(problem_of(second), BillBusy)
    put(first, "NOT_SENT")
    assert len(received(second)) == 1


def test_two_hospitals_use_the_same_numbers_and_keys_without_meeting(house: House) -> None:
    received(draft(house, "W-1"))
    received(draft(house, "W-1", hospital=house.stranger))
    assert stored() == (2, 2, 2)


def test_equal_wishes_within_one_batch_are_one(house: House) -> None:
    one = draft(house, "W-1")
    results = receive(one, one, replace(one, idempotency_key="another"))
    assert [result.replayed for result in results] == [False, True, True]
    assert len({result.transaction_id for result in results}) == 1
    assert stored()[0::2] == (1, 1)


def test_one_refused_wish_of_a_batch_leaves_its_neighbours_alone(house: House) -> None:
    results = receive(draft(house, "W-1"), draft(house, "W-2", scheme="999"), draft(house, "W-3"))
    assert [type(result.problem) for result in results] == [type(None), NoRoute, type(None)]
    assert stored() == (2, 2, 2)


# Bills ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["RECEIVED", "SENDING", "IN_DOUBT", "REVERSING", "NEEDS_HUMAN"])
def test_a_bill_with_an_open_wish_takes_no_second_one(house: House, state: str) -> None:
    (first,) = received(draft(house, "W-1", bill_no="B-7", visit_no="V-7"))
    put(first, state)
    problem = problem_of(draft(house, "W-2", bill_no="B-7", visit_no="V-7"))
    assert isinstance(problem, BillBusy)
    assert problem.extra["transaction"]["his_no"] == "W-1"
    assert stored() == (1, 1, 1)


@pytest.mark.parametrize("state", ["REJECTED", "NOT_SENT", "REVERSED", "CANCELLED"])
def test_a_bill_without_anything_live_or_open_takes_another_wish(house: House, state: str) -> None:
    (first,) = received(draft(house, "W-1", bill_no="B-7", visit_no="V-7"))
    put(first, state)
    received(draft(house, "W-2", bill_no="B-7", visit_no="V-7"))


@pytest.mark.parametrize(("live", "asked"), [("", ""), ("1", "1"), ("1", "")])
def test_a_settled_bill_is_not_settled_again(house: House, live: str, asked: str) -> None:
    (first,) = received(draft(house, "W-1", bill_no="B-7", visit_no="V-7", batch_no=live))
    put(first, "SUCCEEDED")
    problem = problem_of(draft(house, "W-2", bill_no="B-7", visit_no="V-7", batch_no=asked))
    assert isinstance(problem, BillSettled)
    assert problem.status == 409


def test_a_further_part_of_a_settled_bill_names_its_batch(house: House) -> None:
    (first,) = received(draft(house, "W-1", bill_no="B-7", visit_no="V-7", batch_no="1"))
    put(first, "SUCCEEDED")
    received(draft(house, "W-2", bill_no="B-7", visit_no="V-7", batch_no="2"))


def test_two_wishes_for_one_bill_in_one_batch_are_not_both_admitted(house: House) -> None:
    results = receive(*(draft(house, his_no, bill_no="B-7", visit_no="V-7") for his_no in ("W-1", "W-2")))
    assert [type(result.problem) for result in results] == [type(None), BillBusy]


def test_a_question_neither_needs_nor_blocks_a_bill(house: House) -> None:
    names: dict[str, Any] = {"bill_no": "B-7", "visit_no": "V-7"}
    received(draft(house, "W-1", **names))
    received(draft(house, "W-2", operation="presettle", **names), draft(house, "W-3", operation="eligibility", **names))
    assert [row.bill_id for row in Transaction.objects.filter(his_no__in=("W-2", "W-3"))] == [None, None]


def test_the_same_bill_number_at_another_hospital_is_another_bill(house: House) -> None:
    received(draft(house, "W-1", bill_no="B-7", visit_no="V-7"))
    received(draft(house, "W-2", bill_no="B-7", visit_no="V-7", hospital=house.stranger))


# Routes --------------------------------------------------------------------------------------------


def test_a_wish_without_a_route_is_refused_and_nothing_is_stored(house: House) -> None:
    problem = problem_of(draft(house, "W-1", scheme="999"))
    assert isinstance(problem, NoRoute)
    assert (problem.status, problem.code) == (422, "no_route")
    assert stored() == (0, 0, 0)


def test_a_route_begins_with_the_day_of_the_hospital_not_with_that_of_greenwich(house: House) -> None:
    interface = connect("INS-NEW", scheme="777")
    rows("UPDATE exchange_route SET valid_from = '2027-01-01' WHERE interface_id = %s", [interface.pk])
    half_past_midnight_in_shanghai = datetime(2026, 12, 31, 16, 30, tzinfo=UTC)
    with seen_by([house.hospital.pk]):
        drafts = [draft(house, "W-1", scheme="777")]
        (result,) = transactions_receive(drafts=drafts, now=half_past_midnight_in_shanghai)
    assert result.problem is None
    assert Transaction.objects.get().interface_id == interface.pk


# Row-level security --------------------------------------------------------------------------------


def test_a_hospital_sees_nothing_of_another(house: House) -> None:
    received(draft(house, "W-1"))
    with as_role("app"), seen_by([house.stranger.pk]):
        for table in ("transaction", "bill", "idempotencykey", "call", "evidence", "verdict"):
            assert rows(f"SELECT count(*) FROM exchange_{table}") == [(0,)]


def test_a_hospital_cannot_write_in_anothers_name(house: House) -> None:
    with as_role("app"), seen_by([house.stranger.pk]), refused("row-level security"):
        transactions_receive(drafts=[draft(house, "W-1")], now=NOW)
    assert stored() == (0, 0, 0)


def test_who_has_said_nothing_sees_nothing(house: House) -> None:
    received(draft(house, "W-1"))
    with as_role("app"):
        assert rows("SELECT count(*) FROM exchange_transaction") == [(0,)]


def test_role_app_reads_no_job_and_no_key(house: House) -> None:
    received(draft(house, "W-1"))
    for table in ("journal_job", "exchange_interfacekey"):
        with as_role("app"), seen_by([house.hospital.pk]), refused("permission denied"):
            rows(f"SELECT * FROM {table}")


@pytest.mark.parametrize("column", ["lease_token = gen_random_uuid()", "parked_at = now()", "attempts = 3"])
def test_role_app_adds_fresh_jobs_only(house: House, column: str) -> None:
    (row,) = received(draft(house, "W-1"))
    name, value = column.split(" = ")
    names = (
        "id, kind, lane_id, organisation_id, subject_id, priority, run_at, parked_reason, trace_id, created_at, " + name
    )
    values = "gen_random_uuid(), 'exchange.send', %s, %s, %s, 1, now(), 'x', '', now(), " + value
    names, values = (names, values) if name == "attempts" else (names + ", attempts", values + ", 0")
    with as_role("app"), seen_by([house.hospital.pk]), refused("row-level security"):
        rows(f"INSERT INTO journal_job ({names}) VALUES ({values})", [house.lane.pk, house.hospital.pk, row.pk])


@pytest.mark.parametrize("word", ["succeeded", "rejected", "not_sent"])
def test_role_app_gives_no_verdict_but_pending(house: House, word: str) -> None:
    (row,) = received(draft(house, "W-1"))
    statement = (
        "INSERT INTO exchange_verdict (id, organisation_id, transaction_id, version, verdict, body, at) "
        "VALUES (gen_random_uuid(), %s, %s, 0, %s, '{}', now())"
    )
    with as_role("app"), seen_by([house.hospital.pk]):
        with refused("row-level security"):
            rows(statement, [house.hospital.pk, row.pk, word])
        rows(statement, [house.hospital.pk, row.pk, "pending"])


# One commit, and races -----------------------------------------------------------------------------


def in_threads(*acts: Callable[[], Any]) -> list[Any]:
    """Each on a thread and a database connection of its own, all let go at once; what they returned or raised."""
    barrier = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(index: int) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET ROLE medisettle_app")
            barrier.wait(20)
            results[index] = acts[index]()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def arriving(*drafts: WishDraft) -> Callable[[], list[Received]]:
    return lambda: receive(*drafts, as_app=False)


def test_a_transaction_and_its_job_come_in_one_commit_or_not_at_all(committed_house: House) -> None:
    house = committed_house

    def torn() -> None:
        with seen_by([house.hospital.pk]):
            transactions_receive(drafts=[draft(house, "W-1")], now=NOW)
            # The process is gone before the commit: its connection ends, and with it everything it had begun.
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    (result,) = in_threads(torn)
    assert isinstance(result, Exception)
    assert stored() == (0, 0, 0)


def test_a_job_that_cannot_be_written_takes_its_transaction_with_it(committed_house: House) -> None:
    rows("ALTER TABLE journal_job ADD CONSTRAINT disk_is_full CHECK (kind <> 'exchange.send') NOT VALID")
    try:
        (result,) = in_threads(arriving(draft(committed_house, "W-1")))
        assert "disk_is_full" in str(result)
        assert stored() == (0, 0, 0)
    finally:
        rows("ALTER TABLE journal_job DROP CONSTRAINT disk_is_full")


@pytest.mark.parametrize("operation", ["settle", "presettle"])
def test_fifty_equal_posts_at_once_are_one_transaction_with_one_job(committed_house: House, operation: str) -> None:
    one = draft(committed_house, "W-1", operation=operation)
    results = [result[0] for result in in_threads(*(arriving(one) for _ in range(50)))]
    assert [result.problem for result in results] == [None] * 50
    assert sum(not result.replayed for result in results) == 1
    assert len({result.transaction_id for result in results}) == 1
    assert stored() == (1, 1, 1)


def test_equal_posts_with_keys_of_their_own_are_one_transaction(committed_house: House) -> None:
    one = draft(committed_house, "W-1", operation="presettle")
    results = in_threads(*(arriving(replace(one, idempotency_key=f"key-{n}")) for n in range(20)))
    assert sum(not result[0].replayed for result in results) == 1
    assert stored()[0::2] == (1, 1)


def test_of_many_wishes_for_one_bill_at_once_one_is_admitted(committed_house: House) -> None:
    drafts = [draft(committed_house, f"W-{n}", bill_no="B-7", visit_no="V-7") for n in range(20)]
    results = [result[0] for result in in_threads(*(arriving(one) for one in drafts))]
    assert sum(result.problem is None for result in results) == 1
    assert sum(isinstance(result.problem, BillBusy) for result in results) == 19
    assert stored() == (1, 1, 1)


@pytest.mark.parametrize("operation", ["settle", "presettle"])
def test_batches_that_meet_in_opposite_order_do_not_lock_each_other_out(committed_house: House, operation: str) -> None:
    for turn in range(3):
        drafts = [draft(committed_house, f"W-{turn}-{n}", operation=operation) for n in range(150)]
        results = in_threads(arriving(*drafts), arriving(*reversed(drafts)))
        assert [result for result in results if isinstance(result, Exception)] == []
    assert stored() == (450, 450, 450)


def test_one_key_raced_for_two_wishes_belongs_to_one(committed_house: House) -> None:
    drafts = [draft(committed_house, f"W-{n}", idempotency_key="the-key") for n in range(10)]
    results = [result[0] for result in in_threads(*(arriving(one) for one in drafts))]
    assert sum(result.problem is None for result in results) == 1
    assert sum(isinstance(result.problem, KeyReused) for result in results) == 9
    assert stored() == (1, 1, 1)


def test_a_rolled_back_receipt_leaves_the_number_free(house: House) -> None:
    one = draft(house, "W-1")
    with transaction.atomic():
        received(one)
        transaction.set_rollback(True)
    assert fresh(received(one)[0]).state == "RECEIVED"
