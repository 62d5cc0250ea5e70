"""What the ledger's tests act with: organisations, drafts with defaults, and rows written around the services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from accounts.models import Organisation
from accounts.states import OrganisationKind
from core.ids import uuid7
from core.money import Money
from ledger import services
from ledger.models import LedgerAccount, Posting
from ledger.services import BookKey, BookKind, HoldDraft, LegDraft, MirrorDraft, PostingDraft, Side, credit, debit
from tests.roles import rows

# 00:30 on the 23rd in Shanghai: the day of a book is not the day of the clock.
NOW = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)
TODAY = date(2026, 11, 23)
WORKER, APP = "worker", "app"


def fen(minor: int) -> Money:
    return Money(minor)


def organisation(code: str, kind: OrganisationKind) -> Organisation:
    return Organisation.objects.create(code=code, kind=kind, name=code, name_zh=code, created_at=NOW)


def make_book(suffix: str = "a", kind: str = BookKind.INSURANCE_MEMO) -> BookKey:
    """A hospital, an insurer, and the key of the book between them."""
    hospital = organisation(f"hospital-{suffix}", OrganisationKind.HOSPITAL)
    insurer = organisation(f"insurer-{suffix}", OrganisationKind.INSURER)
    return BookKey(hospital.pk, insurer.pk, kind)


def settled(book: BookKey, total_minor: int = 10000, **changes: Any) -> PostingDraft:
    """100 yuan settled: 80 from the fund, 20 from the patient."""
    fund_minor = total_minor * 8 // 10
    draft = PostingDraft(
        book=book,
        cause_kind="transaction",
        cause_id=uuid4(),
        kind="settled",
        legs=(
            debit("receivable:basic_fund", fen(fund_minor)),
            debit("counter_cash", fen(total_minor - fund_minor)),
            credit("fees", fen(total_minor)),
        ),
        evidence_id=uuid4(),
        by="test",
        trace_id="trace-0001",
    )
    return replace(draft, **changes)


def write(*drafts: PostingDraft, now: datetime = NOW) -> list[Posting]:
    return services.postings_write(drafts=drafts, now=now)


def mirror_of(posting: Posting, **changes: Any) -> MirrorDraft:
    draft = MirrorDraft(original_id=posting.pk, kind="reversed", evidence_id=uuid4(), by="test", trace_id="trace-0002")
    return replace(draft, **changes)


def mirror(posting: Posting, now: datetime = NOW, **changes: Any) -> Posting:
    return services.postings_mirror(drafts=[mirror_of(posting, **changes)], now=now)[0]


def hold_of(book: BookKey, minor: int, **changes: Any) -> HoldDraft:
    draft = HoldDraft(
        book=book,
        account="exposure",
        side=Side.DEBIT,
        amount=fen(minor),
        cause_kind="claim",
        cause_id=uuid4(),
        kind="advance",
        expires_at=NOW + timedelta(days=1),
        by="test",
        trace_id="trace-0003",
    )
    return replace(draft, **changes)


def drawn(book: BookKey, minor: int, **changes: Any) -> PostingDraft:
    legs: Sequence[LegDraft] = (debit("exposure", fen(minor)), credit("payable", fen(minor)))
    return settled(book, cause_kind="claim", kind="drawn", legs=legs, **changes)


def limit(book: BookKey, minor: int, *, floor_minor: int = 0, account: str = "exposure") -> None:
    services.limit_set(
        book=book, account=account, floor=fen(floor_minor), limit=fen(minor), by="operator", reason="contract", now=NOW
    )


def legs_of(posting: Posting) -> list[tuple[str, str, int]]:
    return [
        (leg.account.code, leg.side, leg.amount_minor) for leg in posting.legs.select_related("account").order_by("pk")
    ]


def constraints_now() -> None:
    """Ask the deferred triggers now: in a test that is rolled back their moment would never come."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def raw_posting(like: Posting, **changes: Any) -> UUID:
    """A posting's header by plain SQL: a copy of `like` with a cause of its own and `changes`."""
    values: dict[str, Any] = {
        "id": uuid7(NOW),
        "book_id": like.book_id,
        "organisation_id": like.organisation_id,
        "cause_kind": "raw",
        "cause_id": uuid4(),
        "kind": "raw",
        "episode": 1,
        "evidence_id": uuid4(),
        "value_date": like.value_date,
        "booked_at": like.booked_at,
        "booked_day": like.booked_day,
        "reverses_id": None,
        "by": "raw",
        "reason": "",
        "trace_id": "raw",
    } | changes
    marks = ", ".join(["%s"] * len(values))
    rows(f"INSERT INTO ledger_posting ({', '.join(values)}) VALUES ({marks})", list(values.values()))
    key: UUID = values["id"]
    return key


def raw_legs(posting_id: UUID, like: Posting, *legs: tuple[Any, ...]) -> None:
    """Legs (line_no, account id, side, amount_minor[, currency[, booked_day[, organisation_id]]]) in one statement."""
    defaults = ("CNY", like.booked_day, like.organisation_id)
    complete = [(posting_id, *leg, *defaults[len(leg) - 4 :]) for leg in legs]
    row = "(%s, %s, %s, %s, %s, %s, %s, %s)"
    columns = "posting_id, line_no, account_id, side, amount_minor, currency, booked_day, organisation_id"
    rows(
        f"INSERT INTO ledger_leg ({columns}) VALUES {', '.join([row] * len(complete))}",
        [value for leg in complete for value in leg],
    )


def account_id(book: BookKey, code: str) -> int:
    found: int = LedgerAccount.objects.get(
        book__organisation_id=book.organisation_id, book__kind=book.kind, code=code
    ).pk
    return found
