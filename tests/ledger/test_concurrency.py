"""Two real connections at once, committing for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection, transaction

from ledger import services
from ledger.models import AccountBalance, Hold, Posting
from ledger.services import BookKey, BookKind, HoldPost
from tests.ledger.cast import NOW, TODAY, drawn, hold_of, limit, make_book, settled, write
from tests.roles import as_role, rows

WAIT_SECONDS = 10.0


@pytest.fixture
def memo(transactional_db: None) -> BookKey:
    book = make_book()
    write(settled(book))
    return book


@pytest.fixture
def credit_line(transactional_db: None) -> BookKey:
    book = make_book("line", BookKind.ADVANCE)
    limit(book, 100)
    return book


@contextmanager
def threads(number: int) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(number) as pool:
        yield pool


def run[Result](act: Callable[[], Result]) -> Result | BaseException:
    """Do it as worker on this thread's own connection; an error is a result."""
    try:
        with as_role("worker"):
            return act()
    except Exception as error:
        return error
    finally:
        connection.close()


def at_once[Result](number: int, act: Callable[[int], Result]) -> list[Result | BaseException]:
    barrier = Barrier(number)

    def one(position: int) -> Result | BaseException:
        def together() -> Result:
            barrier.wait(WAIT_SECONDS)
            return act(position)

        return run(together)

    with threads(number) as pool:
        return list(pool.map(one, range(number)))


def until_somebody_waits_for_a_lock() -> None:
    end = monotonic() + WAIT_SECONDS
    # Not pg_stat_activity: within a transaction it goes on showing what it showed first.
    while not rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
        assert monotonic() < end, "nobody waited"
        sleep(0.01)


def test_only_one_of_two_holds_gets_the_last_of_a_limit(credit_line: BookKey) -> None:
    results = at_once(2, lambda _: services.holds_place(drafts=[hold_of(credit_line, 60)], now=NOW))
    assert sorted(type(result).__name__ for result in results) == ["LimitExceeded", "list"]
    assert AccountBalance.objects.get(account__code="exposure").held_up_minor == 60


def test_a_hold_waits_for_the_other_that_is_not_committed(credit_line: BookKey) -> None:
    with threads(1) as pool:
        with transaction.atomic():
            services.holds_place(drafts=[hold_of(credit_line, 60)], now=NOW)
            other: Future[Any] = pool.submit(
                run, lambda: services.holds_place(drafts=[hold_of(credit_line, 60)], now=NOW)
            )
            until_somebody_waits_for_a_lock()
        assert isinstance(other.result(WAIT_SECONDS), services.LimitExceeded)


def test_a_hold_is_posted_once_however_many_try(credit_line: BookKey) -> None:
    [hold] = services.holds_place(drafts=[hold_of(credit_line, 60)], now=NOW)
    results = at_once(
        4, lambda _: services.holds_post(posts=[HoldPost(hold_id=hold.pk, posting=drawn(credit_line, 60))], now=NOW)
    )
    assert sorted(type(result).__name__ for result in results) == ["HoldResolved"] * 3 + ["list"]
    assert (Posting.objects.count(), Hold.objects.get().state) == (1, "POSTED")


def test_one_cause_is_one_posting_however_many_write_it(memo: BookKey) -> None:
    drafts = [settled(memo) for _ in range(50)]
    results = at_once(4, lambda turn: write(*(drafts if turn % 2 else drafts[::-1])))
    written = [{row.pk for row in result} for result in results if isinstance(result, list)]
    assert len(written) == 4, results
    assert all(keys == written[0] for keys in written)
    assert Posting.objects.count() == 51


def test_a_book_is_opened_once_however_many_need_it(transactional_db: None) -> None:
    book = make_book()
    results = at_once(4, lambda _: write(settled(book)))
    assert [type(result) for result in results] == [list] * 4
    assert rows("SELECT count(*) FROM ledger_book") == [(1,)]
    assert rows("SELECT count(*) FROM ledger_account") == [(3,)]


def test_an_original_is_mirrored_once_however_many_try(memo: BookKey) -> None:
    original = Posting.objects.get()
    results = at_once(
        3,
        lambda turn: services.postings_mirror(
            drafts=[
                services.MirrorDraft(
                    original_id=original.pk,
                    kind=f"reversed-{turn}",
                    evidence_id=original.evidence_id,
                    by="test",
                    trace_id="trace",
                )
            ],
            now=NOW,
        ),
    )
    assert sorted(type(result).__name__ for result in results) == ["AlreadyMirrored"] * 2 + ["list"]


def test_closing_a_day_waits_for_the_postings_on_their_way(memo: BookKey) -> None:
    with threads(1) as pool:
        with transaction.atomic():
            write(settled(memo))
            closing: Future[Any] = pool.submit(run, lambda: _close(memo))
            until_somebody_waits_for_a_lock()
            assert not closing.done()
        assert closing.result(WAIT_SECONDS).last_day == TODAY
    assert Posting.objects.count() == 2


def test_a_posting_waits_for_the_closing_and_is_then_refused(memo: BookKey) -> None:
    with threads(1) as pool:
        with transaction.atomic():
            _close(memo)
            posting: Future[Any] = pool.submit(run, lambda: write(settled(memo)))
            until_somebody_waits_for_a_lock()
        assert isinstance(posting.result(WAIT_SECONDS), services.PeriodClosed)
    assert Posting.objects.count() == 1


def test_postings_of_one_book_do_not_wait_for_each_other(memo: BookKey) -> None:
    with threads(1) as pool, transaction.atomic():
        write(settled(memo))
        other: Future[Any] = pool.submit(run, lambda: write(settled(memo)))
        assert isinstance(other.result(WAIT_SECONDS), list)


def _close(book: BookKey) -> Any:
    return services.period_close(book=book, day=TODAY, by="test", now=NOW + timedelta(days=1))
