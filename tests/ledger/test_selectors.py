"""What readers see: sums, and nothing of a stranger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.errors import NotFound
from core.row_security import EVERYTHING, organisations_see
from ledger import selectors
from ledger.services import BookKey
from tests.ledger.cast import NOW, fen, hold_of, limit, make_book, mirror, settled, write
from tests.ledger.test_holds import place
from tests.roles import as_role, rows

TABLES = ["book", "account", "accountbalance", "limitchange", "posting", "leg", "hold", "closedperiod", "snapshot"]


def test_the_trial_balance_is_zero_and_counts_each_account_on_its_side(book: BookKey) -> None:
    [posting] = write(settled(book))
    write(settled(book, 500))
    mirror(posting)
    found = selectors.trial_balance(organisations=[book.organisation_id])
    assert {row.account: row.balance_minor for row in found} == {
        "counter_cash": 100,
        "fees": 500,
        "receivable:basic_fund": 400,
    }
    assert sum(row.debit_minor - row.credit_minor for row in found) == 0
    assert selectors.trial_balance(organisations=[0]) == []
    assert selectors.trial_balance(organisations=EVERYTHING, insurer_organisation_id=0) == []


def test_an_account_that_was_never_opened_is_zero(book: BookKey) -> None:
    assert _fees(book, [book.organisation_id]) == fen(0)


def test_it_refuses_a_balance_of_an_organisation_that_was_not_named(book: BookKey) -> None:
    write(settled(book))
    assert _fees(book, [book.organisation_id]) == _fees(book, EVERYTHING) == fen(10000)
    with pytest.raises(NotFound):
        _fees(book, [0])


def test_postings_of_a_cause_come_oldest_first_with_their_legs(book: BookKey) -> None:
    [posting] = write(settled(book))
    undone = mirror(posting, now=NOW + timedelta(seconds=1))
    found = selectors.postings_of(
        cause_kind="transaction", cause_ids=[posting.cause_id], organisations=[book.organisation_id]
    )
    assert list(found) == [posting, undone]
    assert sum(leg.amount_minor for leg in found[0].legs.all()) == 20000
    assert not selectors.postings_of(cause_kind="transaction", cause_ids=[posting.cause_id], organisations=[0]).exists()


def test_app_sees_its_own_rows_and_none_of_a_stranger(book: BookKey, advances: BookKey) -> None:
    limit(advances, 100)
    place(hold_of(advances, 10))
    [mine] = write(settled(book))
    [theirs] = write(settled(make_book("stranger")))
    with as_role("app"):
        organisations_see([book.organisation_id])
        assert rows("SELECT id FROM ledger_posting") == [(mine.pk,)]
        for table in TABLES:
            seen = {row[0] for row in rows(f"SELECT organisation_id FROM ledger_{table}")}
            assert seen <= {book.organisation_id}, table
        # Even a caller that asks for everything gets what the row security leaves.
        found = selectors.trial_balance(organisations=EVERYTHING)
        assert {row.organisation_id for row in found} == {book.organisation_id}
        causes: dict[str, Any] = {"cause_kind": "transaction", "organisations": EVERYTHING}
        assert not selectors.postings_of(cause_ids=[theirs.cause_id], **causes).exists()


@pytest.mark.parametrize("table", TABLES)
def test_app_sees_nothing_before_it_has_said_who_asks(book: BookKey, advances: BookKey, table: str) -> None:
    limit(advances, 100)
    place(hold_of(advances, 10))
    write(settled(book))
    with as_role("app"):
        assert rows(f"SELECT * FROM ledger_{table}") == []


def _fees(book: BookKey, organisations: Any) -> Any:
    return selectors.account_balance(
        organisation_id=book.organisation_id,
        insurer_organisation_id=book.insurer_organisation_id,
        account="fees",
        organisations=organisations,
    )
