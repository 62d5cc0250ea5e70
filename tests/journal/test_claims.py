"""Claiming: due jobs, no more than free slots, never one job to two workers; and whose word counts on a job."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from core.clock import database_now
from core.errors import NotFound
from journal.handlers import ClaimedJob, Done, Later, Parked, Work
from journal.models import Job
from journal.selectors import liveness
from journal.services import JobDraft, job_release, jobs_add, jobs_arm, jobs_claim, jobs_settle
from tests.exchange.house import House, connect
from tests.roles import as_role

KIND = "exchange.send"


def add(house: House, count: int = 1, *, in_seconds: float = 0.0, **changes: Any) -> list[Job]:
    now = database_now()
    draft = JobDraft(
        kind=KIND,
        lane_id=house.lane.pk,
        organisation_id=house.hospital.pk,
        subject_id=uuid4(),
        run_at=now + timedelta(seconds=in_seconds),
        trace_id="t",
    )
    drafts = [replace(draft, subject_id=uuid4(), **changes) for _ in range(count)]
    jobs_add(drafts=drafts, now=now)
    return list(Job.objects.filter(subject_id__in=[one.subject_id for one in drafts]))


def claim(house: House, *, free: int = 100, kind: str = KIND) -> list[ClaimedJob]:
    with as_role("worker"), transaction.atomic():
        return jobs_claim(free_slots={house.lane.pk: free}, kinds=[kind], due_before=database_now())


def arm(job: ClaimedJob, guard_at: datetime) -> None:
    jobs_arm([Work(job, None, "exchange.overdue", guard_at, 0.0)])


def settle(*dispositions: Any, held: bool = False) -> None:
    with as_role("worker"):
        jobs_settle(list(dispositions), now=database_now(), held=held)


def test_no_more_jobs_are_claimed_than_slots_are_free(house: House) -> None:
    add(house, 10)
    assert len(claim(house, free=3)) == 3


def test_each_lane_has_slots_of_its_own(house: House) -> None:
    other = connect("INS-B", scheme="390").lane
    add(house, 5)
    add(house, 5, lane_id=other.pk)
    with transaction.atomic():
        jobs = jobs_claim(free_slots={house.lane.pk: 1, other.pk: 3}, kinds=[KIND], due_before=database_now())
    assert sorted(job.lane_id for job in jobs) == [house.lane.pk] + [other.pk] * 3


def test_a_job_of_the_future_is_left_where_it_is(house: House) -> None:
    add(house, in_seconds=60)
    assert claim(house) == []


def test_a_kind_without_handler_is_left_where_it_is(house: House) -> None:
    add(house, kind="exchange.resolve")
    assert claim(house) == []


def test_what_ends_doubt_goes_before_what_begins_and_the_older_before_the_younger(house: House) -> None:
    (late,) = add(house, in_seconds=-1)
    (early,) = add(house, in_seconds=-9)
    (urgent,) = add(house, in_seconds=-0.1, priority=10)
    claimed = [claim(house, free=count)[-1].id for count in (1, 2, 3)]
    assert claimed[0] == urgent.pk
    assert {job.id for job in claim(house, free=2)} == {urgent.pk, early.pk}
    assert late.pk in {job.id for job in claim(house, free=3)}


def test_an_equal_job_is_kept_once(house: House) -> None:
    subject_id = uuid4()
    for _ in range(2):
        now = database_now()
        jobs_add(drafts=[JobDraft(KIND, house.lane.pk, house.hospital.pk, subject_id, now, "t")], now=now)
    assert Job.objects.count() == 1


def test_two_workers_never_claim_the_same_job(committed_house: House) -> None:
    house = committed_house
    add(house, 40)
    claimed: list[list[ClaimedJob]] = []
    both_hold = threading.Barrier(4)

    def work() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET ROLE medisettle_worker")
            with transaction.atomic():
                slots = {house.lane.pk: 10}
                claimed.append(jobs_claim(free_slots=slots, kinds=[KIND], due_before=database_now()))
                both_hold.wait(20)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    ids = [job.id for jobs in claimed for job in jobs]
    assert len(ids) == len(set(ids)) == 40


def test_a_claim_that_was_not_committed_gives_its_jobs_back(committed_house: House) -> None:
    add(committed_house, 3)

    def die() -> None:
        with transaction.atomic():
            assert len(claim(committed_house)) == 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        die()
    assert len(claim(committed_house)) == 3


# Whose word counts ---------------------------------------------------------------------------------


def test_arming_turns_a_job_into_its_guard_under_a_lease(house: House) -> None:
    add(house)
    (job,) = claim(house)
    guard_at = database_now() + timedelta(seconds=4)
    with as_role("worker"):
        arm(job, guard_at)
    row = Job.objects.get()
    assert (row.kind, row.run_at, row.lease_token, row.attempts) == ("exchange.overdue", guard_at, job.lease_token, 1)
    assert claim(house) == []


WORDS: dict[str, Callable[[ClaimedJob], Any]] = {
    "done": Done,
    "later": lambda job: Later(job, job.created_at),
    "parked": lambda job: Parked(job, "why"),
}


@pytest.mark.parametrize("word", WORDS)
def test_who_lost_his_lease_has_no_word_on_the_job(house: House, word: str) -> None:
    add(house)
    (first,) = claim(house)
    arm(first, database_now())
    (second,) = claim(house, kind="exchange.overdue")
    arm(second, database_now() + timedelta(seconds=60))
    settle(WORDS[word](first))
    row = Job.objects.get()
    assert (row.lease_token, row.parked_at) == (second.lease_token, None)
    assert row.run_at > database_now()


@pytest.mark.parametrize("word", WORDS)
def test_who_has_the_lease_has_the_word(house: House, word: str) -> None:
    add(house)
    (job,) = claim(house)
    arm(job, database_now() + timedelta(seconds=60))
    settle(WORDS[word](job))
    row = Job.objects.first()
    assert (row is None) is (word == "done")
    assert row is None or row.lease_token is None


@pytest.mark.parametrize("word", WORDS)
def test_who_takes_over_a_lease_that_has_run_out_has_the_word(house: House, word: str) -> None:
    add(house)
    (dead,) = claim(house)
    arm(dead, database_now())
    (heir,) = claim(house, kind="exchange.overdue")
    settle(WORDS[word](heir), held=True)
    row = Job.objects.first()
    assert (row is None) is (word == "done")
    assert row is None or row.lease_token is None


def test_later_keeps_kind_and_priority_unless_told_otherwise(house: House) -> None:
    add(house)
    (job,) = claim(house)
    settle(Later(job, job.created_at), held=True)
    assert Job.objects.values_list("kind", "priority").get() == (KIND, 50)
    settle(Later(job, job.created_at, kind="exchange.resolve", priority=10), held=True)
    assert Job.objects.values_list("kind", "priority").get() == ("exchange.resolve", 10)


def test_a_parked_job_is_out_of_its_lane_until_it_is_released(house: House) -> None:
    add(house)
    (job,) = claim(house)
    settle(Parked(job, "a person must look"), held=True)
    assert claim(house) == []
    with as_role("worker"):
        job_release(job_id=job.id, now=database_now())
    assert [again.id for again in claim(house)] == [job.id]


def test_what_is_not_parked_cannot_be_released(house: House) -> None:
    (job,) = add(house)
    with pytest.raises(NotFound):
        job_release(job_id=job.pk, now=database_now())


# Liveness ------------------------------------------------------------------------------------------


def test_liveness_is_the_age_of_the_oldest_due_job(house: House) -> None:
    add(house, 2, in_seconds=-30)
    add(house, in_seconds=-90)
    add(house, in_seconds=60)
    with as_role("worker"):
        reading = liveness(now=database_now(), kinds={KIND})
    assert reading.due == 3
    assert 90 <= reading.oldest_due_seconds < 95


def test_liveness_is_zero_when_nothing_is_due(house: House) -> None:
    add(house, in_seconds=60)
    with as_role("worker"):
        assert liveness(now=database_now(), kinds={KIND}).oldest_due_seconds == 0


def test_liveness_does_not_count_what_a_person_or_nobody_has_to_do(house: House) -> None:
    add(house, in_seconds=-90, kind="exchange.resolve")
    add(house, in_seconds=-50)
    (job,) = claim(house)
    settle(Parked(job, "a person must look"), held=True)
    with as_role("worker"):
        reading = liveness(now=database_now(), kinds={KIND})
    assert (reading.due, reading.oldest_due_seconds, reading.parked, reading.without_handler) == (0, 0, 1, 1)
