"""The abnormal check: what has not ended and has nobody who will look at it is found, and only that."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.conf import settings as installed
from django.db import connection, transaction

from accounts.models import User
from core.clock import database_now
from core.row_security import seen_by
from exchange.models import BackOffice, Transaction
from exchange.selectors.abnormal import abnormal_page
from exchange.services import monitor
from exchange.services.monitor import Checked, abnormal_check
from journal.models import Job
from journal.services import jobs_parked_tell
from tests.exchange.desk import settle_by_answering, wish
from tests.exchange.house import House, fresh, move_insurer, received, take, work_off
from tests.exchange.peer import answering, peer
from tests.roles import as_role, refused, rows

LONG = timedelta(hours=1)


def check(*, limit: int = 1000, later: timedelta = timedelta()) -> Checked:
    with as_role("worker"):
        return abnormal_check(now=database_now() + later, limit=limit)


def doubtful(house: House, *his_nos: str) -> list[Transaction]:
    """Sent, and answered by somebody who proves nothing."""
    stored = received(*(wish(house, his_no) for his_no in his_nos))
    with peer(answering(msgid="another")) as insurer:
        move_insurer(house, insurer.base_url)
        work_off(house)
    assert {fresh(one).state for one in stored} == {"IN_DOUBT"}
    return [fresh(one) for one in stored]


def jobs() -> list[tuple[str, str]]:
    return rows(
        "SELECT wish.his_no, job.kind FROM journal_job job JOIN exchange_transaction wish ON wish.id = job.subject_id "
        "WHERE job.parked_at IS NULL ORDER BY 1, 2"
    )


def test_a_transaction_whose_job_was_deleted_by_hand_gets_it_back(house: House) -> None:
    doubtful(house, "M-1", "M-2")
    Job.objects.filter(subject_id=Transaction.objects.get(his_no="M-1").pk).delete()
    assert check() == Checked(queued=1)
    assert jobs() == [("M-1", "exchange.resolve"), ("M-2", "exchange.resolve")]
    job = Job.objects.get(subject_id=Transaction.objects.get(his_no="M-1").pk)
    assert (job.run_at <= database_now(), job.priority, job.lane_id) == (True, 10, house.lane.pk)
    assert check() == Checked(), "once is enough"


def test_a_reversal_whose_job_is_lost_goes_on(house: House) -> None:
    from tests.exchange.desk import say

    settle_by_answering(house, "M-1")
    assert say(house, "M-1", "disown", reason="never booked").problem is None
    Job.objects.all().delete()
    assert check() == Checked(queued=1)
    assert jobs() == [("M-1", "exchange.resolve")]


def test_what_is_looked_after_is_left_alone(house: House) -> None:
    received(wish(house, "M-NEW"))
    doubtful(house, "M-DOUBT")
    settle_by_answering(house, "M-SETTLED")
    before = rows("SELECT id, kind, run_at FROM journal_job ORDER BY id")
    assert check(later=LONG) == Checked()
    assert rows("SELECT id, kind, run_at FROM journal_job ORDER BY id") == before


def test_a_wish_that_was_never_sent_and_one_that_nobody_guards_are_found_once_they_are_late(house: House) -> None:
    received(wish(house, "M-NEW"))
    received(wish(house, "M-SENT"))
    Job.objects.filter(subject_id=Transaction.objects.get(his_no="M-NEW").pk).delete()
    assert len(take(house).works) == 1
    Job.objects.all().delete()
    assert check() == Checked(), "they may be on their way"
    assert check(later=LONG) == Checked(queued=2)
    assert jobs() == [("M-NEW", "exchange.send"), ("M-SENT", "exchange.overdue")]


def test_the_rest_of_a_resettle_waits_for_its_cancel_without_a_job(house: House) -> None:
    settle_by_answering(house, "M-1", visit_no="V-1")
    received(wish(house, "M-R", operation="resettle", of="M-1", visit_no="V-1"))
    assert [row for row in jobs() if row[0].startswith("M-R")] == [("M-R", "exchange.send")]
    assert check(later=LONG) == Checked()


def test_a_parked_job_gets_another_try_after_a_while_and_somebody_is_on_call_for_it(house: House) -> None:
    (row,) = doubtful(house, "M-1")
    Job.objects.update(parked_at=database_now(), parked_reason="a fault of ours")
    assert check() == Checked(), "just parked"
    with as_role("worker"):
        assert jobs_parked_tell(now=database_now() + LONG, longer_than_seconds=60) == 1
    assert check(later=LONG) == Checked(released=1)
    assert jobs() == [("M-1", "exchange.resolve")]
    assert fresh(row).owner == "operations"
    with as_role("app"), seen_by([house.hospital.pk]):
        (entry,) = abnormal_page(organisation_id=house.hospital.pk, now=database_now()).entries
    assert (entry.kind, entry.owner) == ("in_doubt", "operations")


def test_what_needs_a_person_gets_one(house: House) -> None:
    (row,) = doubtful(house, "M-1")
    on_call = User.objects.create(
        username="bai", password="!", display_name="白露", organisation=house.hospital, created_at=database_now()
    )
    BackOffice.objects.create(organisation=house.hospital, on_call=on_call)
    ask = "UPDATE exchange_transaction SET state = 'NEEDS_HUMAN', version = version + 1 WHERE id = %s"
    rows(ask, [row.pk])
    assert check() == Checked(owned=1)
    assert fresh(row).owner == "bai"
    assert check() == Checked()


def test_a_run_is_bounded_and_the_next_one_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "BATCH", 2)
    doubtful(house, *(f"M-{number}" for number in range(7)))
    Job.objects.all().delete()
    assert [check(limit=3) for _ in range(4)] == [Checked(3), Checked(3), Checked(1), Checked()]
    assert len(jobs()) == 7


def test_jobs_are_never_read_whole_however_few_they_seem(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read whole for each row, a run over many rows would cost their square: it fills the table itself."""
    monkeypatch.setattr(monitor, "BATCH", 2)
    doubtful(house, *(f"M-{number}" for number in range(6)))
    Job.objects.all().delete()
    rows("ANALYZE journal_job")  # As far as anybody knows it is empty now.
    read = "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'journal_job'"
    before = rows(read)
    assert check() == Checked(queued=6)
    assert rows(read) == before


def test_the_web_may_not_look_into_jobs(house: House) -> None:
    with as_role("app"), seen_by([house.hospital.pk]), refused("permission denied"):
        abnormal_check(now=database_now(), limit=10)


def test_what_somebody_holds_is_skipped_not_waited_for(committed_house: House) -> None:
    doubtful(committed_house, "M-1", "M-2")
    Job.objects.all().delete()
    seen: list[Any] = []

    def other() -> None:
        try:
            seen.append(check())
        finally:
            connection.close()

    with transaction.atomic():
        rows("SELECT id FROM exchange_transaction WHERE his_no = 'M-1' FOR UPDATE")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)
        assert seen == [Checked(queued=1)]
    assert check() == Checked(queued=1)


def test_two_checks_at_once_queue_each_row_once(committed_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "BATCH", 3)
    names = [f"M-{number}" for number in range(20)]
    doubtful(committed_house, *names)
    Job.objects.all().delete()
    gate, seen = threading.Barrier(2), []

    def run() -> None:
        try:
            gate.wait()
            seen.append(check())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    check()
    assert sorted(his_no for his_no, _ in jobs()) == sorted(names)
    assert len(seen) == 2


def test_beat_knows_the_check_and_so_does_the_sweeper(db: None) -> None:
    from config.wiring import CHORES

    (entry,) = installed.CELERY_BEAT_SCHEDULE.values()
    current_app.loader.import_default_modules()
    assert entry["task"] in current_app.tasks
    assert "exchange.services.monitor.abnormal_check" in [path for _, path, _ in CHORES]
