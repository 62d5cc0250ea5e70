"""One task per call: commit the message, send it, commit what came back, return the verdict as the task's result."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import requests
from celery import shared_task
from django.conf import settings
from django.db import connection, transaction

from core.clock import database_now
from core.crypto import organisation_month_scope, seal, unseal
from core.ids import uuid7
from core.money import Money
from exchange.bills import BillLine, bill_terms, cash_view
from exchange.dialects import DIALECTS
from exchange.envelopes import ENVELOPES
from exchange.envelopes.hmac_envelope import EnvelopeBroken
from exchange.kinds import OVERDUE
from exchange.messages import PLATFORM_CODE, Facts, Outbound, Reply, Wish, untrusted
from exchange.models import Bill, Call, Evidence, Transaction, Verdict
from exchange.selectors.interfaces import Interface, interface_of
from exchange.selectors.transactions import body_context
from exchange.services.calls import deadline_seconds, message_sealed
from exchange.services.send import KINDS
from exchange.states import CallOutcome, EvidenceKind, OperationClass, TransactionState
from exchange.verdicts import verdict_body, verdict_word
from journal.models import Job
from ledger.services import BookKey, PostingDraft, credit, debit, postings_write

BY = "baseline"


def _wish(row: Transaction) -> Wish:
    return Wish(
        his_no=row.his_no,
        hospital_code=row.organisation.code,
        operation=row.operation,
        total_minor=row.total_minor,
        currency=row.currency,
        body=json.loads(unseal(row.sealed_body, context=body_context(row.pk))),
    )


# Kept over tasks: the connection to the insurer stays open.
session = requests.Session()
session.trust_env = False


@shared_task(name="bench.baseline.settle")  # type: ignore[untyped-decorator]
def settle(transaction_id: str) -> dict[str, Any]:
    """Send the transaction once and return its verdict."""
    row, call, message, facts, headers = _arm(UUID(transaction_id))
    began = time.monotonic()
    try:
        answer = session.post(
            interface_of(row.interface_id).base_url + message.path,
            data=message.body,
            headers={**headers, "Content-Type": "application/json"},
            timeout=deadline_seconds(row),
            allow_redirects=False,
        )
    except requests.RequestException as error:
        return _conclude(row.pk, call, untrusted(type(error).__name__), None, began)
    return _conclude(row.pk, call, _read(row, call, answer, facts), answer, began)


def _arm(transaction_id: UUID) -> tuple[Transaction, Call, Outbound, Facts, dict[str, str]]:
    with transaction.atomic():
        now = database_now()
        row = Transaction.objects.select_for_update(of=("self",)).select_related("organisation").get(pk=transaction_id)
        interface = interface_of(row.interface_id)
        send_before = now + timedelta(seconds=settings.SEND_WITHIN_SECONDS)
        not_after = send_before + timedelta(seconds=interface.number("accept_window_seconds"))
        msgid = _msgid()
        kind = KINDS[row.operation]
        message = DIALECTS[interface.dialect].build(kind, _wish(row), msgid=msgid, not_after=not_after)
        facts = Facts(PLATFORM_CODE, interface.code, msgid, row.his_no, message.path, now)
        key_id, secret = interface.keys[0]
        headers = ENVELOPES[interface.envelope].seal(message.body, facts=facts, key_id=key_id, secret=secret)
        call = Call(
            id=uuid7(now),
            organisation_id=row.organisation_id,
            transaction=row,
            interface_id=interface.id,
            kind=kind,
            msgid=msgid,
            armed_at=now,
            send_before=send_before,
            not_after=not_after,
            deadline=now + timedelta(seconds=deadline_seconds(row)),
        )
        call.sealed_request = message_sealed(call, headers, message.body, field="request", now=now)
        call.save(force_insert=True)
        row.arm()
        _save(row, ["state"], now=now, reason=msgid)
        guard_at = call.deadline + timedelta(seconds=settings.OVERDUE_AFTER_SECONDS)
        Job.objects.filter(subject_id=row.pk).update(kind=OVERDUE, run_at=guard_at, attempts=1)
    return row, call, message, facts, headers


def _msgid() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('exchange_msgid')")
        return f"MS{cursor.fetchone()[0]:016d}"


def _read(row: Transaction, call: Call, answer: requests.Response, facts: Facts) -> Reply:
    if answer.status_code != 200:
        return untrusted(f"HTTP status {answer.status_code}")
    interface = interface_of(row.interface_id)
    try:
        ENVELOPES[interface.envelope].open(
            answer.content, answer.headers, facts=facts, secrets=dict(interface.keys), now=database_now()
        )
    except EnvelopeBroken as broken:
        return untrusted(str(broken))
    kind = KINDS[row.operation]
    return DIALECTS[interface.dialect].read(kind, _wish(row), msgid=call.msgid, body=answer.content)


def _conclude(
    transaction_id: UUID, call: Call, reply: Reply, answer: requests.Response | None, began: float
) -> dict[str, Any]:
    with transaction.atomic():
        now = database_now()
        bill = Bill.objects.select_for_update(no_key=True).filter(transactions=transaction_id).first()
        row = Transaction.objects.select_for_update(no_key=True).get(pk=transaction_id)
        _call_save(call, reply, answer, began, now=now)
        _move(row, reply, now=now)
        evidence = Evidence.objects.create(
            id=uuid7(now),
            organisation_id=row.organisation_id,
            transaction=row,
            call=call,
            kind=EvidenceKind.CALL_OUTCOME,
            says=str(reply.outcome),
            details=row.reason_code,
            at=now,
        )
        interface = interface_of(row.interface_id)
        if row.state == TransactionState.SUCCEEDED and row.operation_class == OperationClass.MOVES:
            postings_write(drafts=[_posting(row, evidence, interface.insurer_id)], now=now)
        body = _verdict(row, bill, call.msgid, interface, now=now)
        Job.objects.filter(subject_id=row.pk).delete()
    return body


def _call_save(call: Call, reply: Reply, answer: requests.Response | None, began: float, *, now: datetime) -> None:
    call.outcome, call.outcome_at, call.outcome_reason = reply.outcome, now, reply.reason_code
    call.elapsed_ms = int((time.monotonic() - began) * 1000)
    fields = ["outcome", "outcome_at", "outcome_reason", "elapsed_ms"]
    if answer is not None:
        call.http_status = answer.status_code
        call.sealed_answer = seal(
            json.dumps(dict(answer.headers)).encode() + b"\n" + answer.content,
            scope=organisation_month_scope(organisation_id=call.organisation_id, now=now),
            organisation_id=call.organisation_id,
            context=f"call:{call.pk}:answer",
            now=now,
        )
        fields += ["http_status", "sealed_answer"]
    call.save(update_fields=fields)


def _move(row: Transaction, reply: Reply, *, now: datetime) -> None:
    split = reply.split
    if reply.outcome is CallOutcome.DONE:
        row.succeed()
        row.episode += 1
    elif reply.outcome is CallOutcome.REFUSED:
        row.reject()
    else:
        row.doubt()
    row.reason_code, row.insurer_code, row.insurer_text = reply.reason_code, reply.insurer_code, reply.insurer_text
    if row.state != TransactionState.IN_DOUBT:
        row.told = verdict_word(row)
    fields = ["state", "reason_code", "insurer_code", "insurer_text", "episode", "told"]
    if split is not None:
        code = interface_of(row.interface_id).insurer_code
        row.fund_minor, row.account_minor = split.fund_minor, split.account_minor
        row.hospital_minor, row.cash_minor = split.hospital_minor, split.cash_minor
        row.settlement_no = split.settlement_no
        row.shares = [{"payer": payer, "insurer": code, "amount_minor": amount} for payer, amount in split.shares]
        fields += ["fund_minor", "account_minor", "hospital_minor", "cash_minor", "settlement_no", "shares"]
    _save(row, fields, now=now, reason=row.reason_code or str(reply.outcome))


def _save(row: Transaction, fields: Sequence[str], *, now: datetime, reason: str) -> None:
    row.moved(now=now, by=BY, reason=reason)
    row.version += 1
    row.save(update_fields=[*fields, "version", "state_at", "state_by", "state_reason"])


def _posting(row: Transaction, evidence: Evidence, insurer_id: int) -> PostingDraft:
    def money(minor: int | None) -> Money:
        return Money(minor or 0, row.currency)

    legs = [debit(f"receivable:{share['payer']}", money(share["amount_minor"])) for share in row.shares]
    legs += [debit("hospital_borne", money(row.hospital_minor)), debit("counter_cash", money(row.cash_minor))]
    return PostingDraft(
        book=BookKey(row.organisation_id, insurer_id),
        cause_kind="exchange.transaction",
        cause_id=row.pk,
        kind="settled",
        legs=[*(leg for leg in legs if leg.amount.minor), credit("fees", money(row.total_minor))],
        evidence_id=evidence.pk,
        by=BY,
        trace_id=row.trace_id,
    )


def _verdict(row: Transaction, bill: Bill | None, msgid: str, interface: Interface, *, now: datetime) -> dict[str, Any]:
    wishes = Transaction.objects.filter(bill=bill, operation_class=OperationClass.MOVES) if bill else ()
    lines = [BillLine(wish.pk, wish.state, wish.total_minor or 0, wish.cash_minor or 0) for wish in wishes]
    own = next((line for line in lines if line.id == row.pk), BillLine(row.pk, row.state, row.total_minor or 0))
    body = verdict_body(
        row,
        interface_code=interface.code,
        insurer_code=interface.insurer_code,
        msgid=msgid,
        cash=cash_view(own, lines, bill_terms(lines)),
    )
    Verdict.objects.create(
        id=uuid7(now),
        organisation_id=row.organisation_id,
        transaction=row,
        version=row.version,
        verdict=verdict_word(row),
        body=body,
        at=now,
    )
    return body
