"""The platform's book with an insurer, and what its accounts of a counterparty say."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from accounts.selectors import organisation_time_zone, platform_id
from ledger.selectors import trial_balance
from ledger.services import BookKey, BookKind


def book_with(*, insurer_id: int) -> BookKey:
    """The book of advances between the platform and the insurer. Raises NotFound without a platform."""
    return BookKey(platform_id(), insurer_id, BookKind.ADVANCE)


def platform_day(now: datetime) -> date:
    """The day on which something is booked now in the platform's books."""
    return now.astimezone(platform_zone()).date()


def platform_zone() -> ZoneInfo:
    """By whose calendar the platform's books count days."""
    return ZoneInfo(organisation_time_zone(platform_id()))


def fees_account(organisation_id: int) -> str:
    """The account of what a counterparty owes in fees."""
    return f"fees_receivable:o{organisation_id}"


def payable_account(chain_id: int) -> str:
    """The account of what a pharmacy chain is to be paid."""
    return f"payable:p{chain_id}"


def balances_until(*, insurer_id: int, currency: str, until: date) -> dict[str, int]:
    """Debits minus credits of every account of the book up to and including the booked day `until`, minor units."""
    book = book_with(insurer_id=insurer_id)
    rows = trial_balance(
        organisations=[book.organisation_id],
        insurer_organisation_id=insurer_id,
        kind=BookKind.ADVANCE,
        currency=currency,
        until=until,
    )
    return {row.account: row.debit_minor - row.credit_minor for row in rows}
