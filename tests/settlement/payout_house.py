"""What is paid out: legs that are owed, cash to pay them with, payees' accounts, and a bank."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

from accounts.selectors import platform_id
from claims.models import Claim
from core.clock import database_now
from core.money import Money
from journal import drain
from journal.models import Job
from journal.services import lane_define, worker_group_define
from ledger.services import BookKey, BookKind, PostingDraft, credit, debit, limit_set, postings_write
from registry.models import Person
from registry.selectors.persons import person_facts
from settlement.models import BankAccount, PayeeAccount, Payment, PayoutBatch, SettlementLeg
from settlement.services.bank_accounts import bank_account_open
from settlement.services.legs import leg_write
from settlement.services.payees import payee_confirm, payee_tell
from settlement.services.payouts import PAYMENT_SEND, batch_check, batch_make, batch_release
from settlement.states import LegKind
from tests.insurers.house import conclude, perform
from tests.registry.house import NOW
from tests.roles import as_role
from tests.settlement.bank.process import ACCOUNT, PAYEE, SECRET, SandboxBank
from tests.settlement.house import DESK, TRACE, Desk

MAKER, CHECKER, RELEASER = "maker", "checker", "releaser"
CASH = 10_000_000
LIMIT_MINOR = 10**12


def ledger_of(desk: Desk) -> BookKey:
    return BookKey(platform_id(), desk.insurer.pk, BookKind.ADVANCE)


def book(desk: Desk, debited: str, credited: str, minor: int, *, now: datetime = NOW) -> None:
    amount = Money(minor)
    draft = PostingDraft(
        book=ledger_of(desk),
        cause_kind="test",
        cause_id=uuid4(),
        kind="set_up",
        legs=[debit(debited, amount), credit(credited, amount)],
        evidence_id=uuid4(),
        by=DESK,
        trace_id=TRACE,
    )
    postings_write(drafts=[draft], now=now)


def funded(desk: Desk, minor: int = CASH, *, now: datetime = NOW) -> None:
    """So much of the bank account belongs to the book with this insurer."""
    nothing, most = Money(0), Money(LIMIT_MINOR)
    limit_set(book=ledger_of(desk), account="cash", floor=nothing, limit=most, by=DESK, reason="agreed", now=now)
    book(desk, "cash", "funding", minor, now=now)


def owed(desk: Desk, claim: Claim, minor: int = 40_000, *, now: datetime = NOW, **changes: Any) -> SettlementLeg:
    """A second leg with what is owed on the pharmacy's account; or a third one, to the claim's patient."""
    kind = changes.get("kind", LegKind.SECOND)
    account = "payable:patients" if kind == LegKind.THIRD else f"payable:p{desk.chain.pk}"
    book(desk, "suspense", account, minor, now=now)
    values: dict[str, Any] = {
        "kind": LegKind.SECOND,
        "organisation_id": desk.insurer.pk if kind == LegKind.THIRD else desk.chain.pk,
        "insurer_id": desk.insurer.pk,
        "claim_id": claim.pk,
        "cause_id": uuid4(),
        "amount_minor": minor,
        "currency": "CNY",
        "due_on": date(2026, 12, 1),
        "person_id": claim.person_id if kind == LegKind.THIRD else None,
    }
    return leg_write(**(values | changes), by=DESK, now=now, trace_id=TRACE)


def told(desk: Desk, number: str = PAYEE, *, now: datetime = NOW, **changes: Any) -> PayeeAccount:
    values: dict[str, Any] = {
        "organisation_id": desk.chain.pk,
        "holder": desk.chain.name,
        "bank_code": "BANK7",
        "currency": "CNY",
        "by": "pharmacy-1",
    }
    return payee_tell(number=number, now=now, **(values | changes))


def payee(desk: Desk, number: str = PAYEE, *, now: datetime = NOW, **changes: Any) -> PayeeAccount:
    """Told and found right."""
    return payee_confirm(payee_id=told(desk, number, now=now, **changes).pk, by=CHECKER, now=now)


def payee_of(person: Person, number: str = "6217000000009876", *, now: datetime = NOW) -> PayeeAccount:
    account = payee_tell(
        person_id=person.pk,
        holder=person_facts(person=person).name,
        number=number,
        bank_code="BANK7",
        currency="CNY",
        by="patient",
        now=now,
    )
    return payee_confirm(payee_id=account.pk, by=CHECKER, now=now)


def bank_account(
    bank: SandboxBank | None = None, *, rail: str = "sandbox", now: datetime = NOW, **changes: Any
) -> BankAccount:
    """The platform's account; without a running bank nobody answers at its address."""
    values: dict[str, Any] = {
        "code": "MAIN-CNY",
        "holder": "MediSettle",
        "account_no": ACCOUNT,
        "bank_code": "SANDBANK",
        "currency": "CNY",
        "quiet_seconds": 0.5,
        "is_idempotent": True,
    }
    if rail == "sandbox":
        values["base_url"] = "http://127.0.0.1:9" if bank is None else bank.url
        values["lane"] = lane_define(code="bank", group=worker_group_define(code="bank"))
        values |= {"key_id": "k1", "secret": SECRET}
    return bank_account_open(rail=rail, by=DESK, now=now, **(values | changes))


def made(*legs: SettlementLeg, by: str = MAKER, now: datetime = NOW) -> PayoutBatch:
    return batch_make(leg_ids=[leg.pk for leg in legs], by=by, now=now, trace_id=TRACE)


def checked(batch: PayoutBatch, by: str = CHECKER, *, now: datetime = NOW) -> PayoutBatch:
    return batch_check(batch_id=batch.pk, by=by, now=now, trace_id=TRACE)


def released(batch: PayoutBatch, by: str = RELEASER, *, now: datetime = NOW) -> PayoutBatch:
    batch = batch_release(batch_id=batch.pk, by=by, now=now, trace_id=TRACE)
    # The clock of the tests stands still, the workers' does not: what was released is due now.
    Job.objects.filter(kind=PAYMENT_SEND).update(run_at=database_now())
    return batch


def states(*legs: SettlementLeg) -> list[str]:
    return [SettlementLeg.objects.get(pk=leg.pk).state for leg in legs]


def only_payment() -> Payment:
    return Payment.objects.get()


# Working as the workers do ------------------------------------------------------------------------------------------


def take(account: BankAccount) -> drain.Turn:
    with as_role("worker"):
        return drain.jobs_take(free_slots={account.lane_id or 0: 50}, overdue=timedelta(0))


def work_once(account: BankAccount) -> int:
    """Arm, send and conclude what is due now; how many jobs there were."""
    turn = take(account)
    conclude(perform(turn.works))
    return turn.claimed


def jobs() -> list[tuple[str, bool]]:
    """Kinds of the jobs about payments that are left, and whether a person has them."""
    found = Job.objects.filter(kind__startswith="settlement.payment").order_by("created_at")
    return [(job.kind, job.parked_at is not None) for job in found]
