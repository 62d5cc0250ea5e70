"""A pre-reviewed claim put before the insurer's own system: stored, sent, and sent again until somebody answered.

No answer means unknown. The next message carries the same push number, under which the insurer takes a claim once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import connection

from claims.selectors.claims import claim_by_id
from claims.states import ClaimState
from core.crypto import unseal
from core.ids import uuid7
from core.models import Transition
from core.transitions import write_many
from exchange.envelopes import ENVELOPES
from exchange.messages import PLATFORM_CODE, Facts
from exchange.selectors.interfaces import Interface
from exchange.transport import Delivery
from insurers.models import ClaimPush, PushMessage
from insurers.selectors.docking import interface_for_claims
from insurers.spi import outbound
from insurers.states import PushOutcome, PushState
from registry.selectors.persons import person_facts
from registry.services.persons import person_seal

if TYPE_CHECKING:
    from claims.models import Claim

BY = "insurers"
PAUSED_SECONDS = 5.0
CLAIM_TABLE = "claims_claim"


@dataclass(frozen=True, slots=True)
class Armed:
    """A message that is committed with this value's owner and may then be sent, once, by this process."""

    claim_id: UUID
    push_id: UUID
    message_id: UUID
    interface_id: int
    push_no: str
    claim_no: str
    person_id: UUID
    facts: Facts
    deadline: datetime
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is to be pushed (any more)."""

    claim_id: UUID


@dataclass(frozen=True, slots=True)
class NotNow:
    """Look again at `until`; on the insurer's own lane where `lane_id` names it."""

    claim_id: UUID
    until: datetime
    lane_id: int | None = None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Asked as often as the ladder has steps: a person's."""

    claim_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class PushResult:
    """What one message brought: the reply in our words, and what is kept of the wire."""

    armed: Armed
    reply: outbound.PushReply
    http_status: int | None = None
    elapsed_ms: int = 0
    answer: bytes | None = None


Look = Armed | Nothing | NotNow | GivenUp


def pushes_arm(*, lanes: Mapping[UUID, int], now: datetime, monotonic_now: float) -> list[Look]:
    """For each claim (and the lane that its job is on): the message to send, or why none. Needs a transaction.

    `monotonic_now` was read before the transaction began. Raises whatever building one message raised.
    """
    return [_look(claim_id, lane_id, now, monotonic_now) for claim_id, lane_id in lanes.items()]


def _look(claim_id: UUID, lane_id: int, now: datetime, monotonic_now: float) -> Look:
    claim = claim_by_id(claim_id=claim_id)
    if claim is None:
        raise LookupError(f"no claim {claim_id}")
    push = ClaimPush.objects.select_for_update().filter(claim_id=claim.pk).order_by("-round").first()
    if claim.state != ClaimState.IN_CONFIRMATION:
        _end(push, now)
        return Nothing(claim.pk)
    interface = interface_for_claims(organisation_id=claim.organisation_id)
    if interface is None:
        return Nothing(claim.pk)
    if interface.lane_id != lane_id:
        return NotNow(claim.pk, now, interface.lane_id)
    if interface.lane_paused:
        return NotNow(claim.pk, now + timedelta(seconds=PAUSED_SECONDS))
    number = _round_of(claim)
    if push is not None and push.round != number:
        _end(push, now)
        push = None
    if push is None:
        push = _begin(claim, interface, number, now)
    if push.state != PushState.WAITING:
        return Nothing(claim.pk)
    _close_open_messages(push, now)
    if push.tries > len(settings.LADDERS["claim"]):
        return GivenUp(claim.pk, f"{push.push_no} was not answered to the end of its ladder")
    return _arm(push, claim, interface, now, monotonic_now)


def _round_of(claim: Claim) -> int:
    """How often the claim came to the insurer: once, and again after materials, an investigation or an appeal."""
    moves = Transition.objects.filter(entity=CLAIM_TABLE, entity_id=str(claim.pk), to_state=ClaimState.IN_CONFIRMATION)
    return moves.count()


def _end(push: ClaimPush | None, now: datetime) -> None:
    """What is no longer waited for ends; its open message has the outcome that nobody knows."""
    if push is None or push.state != PushState.WAITING:
        return
    _close_open_messages(push, now)
    push.end()
    push.moved(now=now, by=BY, reason="the claim moved on")
    write_many([push], fields=["state"])


def _close_open_messages(push: ClaimPush, now: datetime) -> None:
    """A message whose process never concluded it: what it brought is unknown for ever."""
    PushMessage.objects.filter(push=push, outcome__isnull=True).update(
        outcome=PushOutcome.UNKNOWN, outcome_at=now, outcome_reason="nobody concluded it"
    )


def _begin(claim: Claim, interface: Interface, number: int, now: datetime) -> ClaimPush:
    push_no = f"{claim.claim_no}/{number}"
    push_id = uuid7(now)
    content = json.dumps(outbound.content_of(_pushed(claim, push_no, number)), ensure_ascii=False).encode()
    push = ClaimPush(
        id=push_id,
        organisation_id=claim.organisation_id,
        claim_id=claim.pk,
        interface_id=interface.id,
        round=number,
        push_no=push_no,
        sealed_content=person_seal(content, person_id=claim.person_id, context=f"claim_push:{push_id}", now=now),
        created_at=now,
        state_at=now,
        state_by=BY,
        trace_id=claim.trace_id,
    )
    push.save(force_insert=True)
    return push


def _pushed(claim: Claim, push_no: str, number: int) -> outbound.PushedClaim:
    facts = person_facts(person=claim.person)
    assert claim.service_on is not None and claim.terms is not None  # noqa: S101, PT018 - a filed claim has both
    return outbound.PushedClaim(
        push_no=push_no,
        round=number,
        claim_no=claim.claim_no,
        episode=claim.episode,
        kind=claim.kind,
        policy_no=claim.policy.policy_no,
        product=claim.product_id,
        terms_number=claim.terms.number,
        confirmation_mode=claim.confirmation_mode,
        id_type=claim.person.id_type,
        id_no=facts.id_no,
        name=facts.name,
        drug=claim.drug_id,
        icd10=claim.icd10,
        service_on=claim.service_on,
        quantity=claim.quantity,
        days_of_supply=claim.days_of_supply,
        currency=claim.currency,
        total_minor=claim.total_minor,
        payable_minor=claim.payable_minor,
        deductible_minor=claim.deductible_minor,
        recommended_minor=claim.payable_minor if claim.recommended_minor is None else claim.recommended_minor,
        risk=claim.risk,
        lines=[
            outbound.PushedLine(
                line_no=line.line_no,
                drug=line.drug_id,
                quantity=line.quantity,
                unit_price_minor=line.unit_price_minor,
                amount_minor=line.amount_minor,
                payable_minor=line.payable_minor,
            )
            for line in claim.lines.order_by("line_no")
        ],
        documents=[
            outbound.PushedDocument(
                kind=one.kind, sha256=one.sha256, media_type=one.media_type, issued_on=one.issued_on
            )
            for one in claim.documents.filter(withdrawn_at__isnull=True).order_by("uploaded_at", "pk")
        ],
    )


def _arm(push: ClaimPush, claim: Claim, interface: Interface, now: datetime, monotonic_now: float) -> Armed:
    content = json.loads(unseal(push.sealed_content, context=f"claim_push:{push.pk}"))
    msgid = _msgid()
    body = outbound.body_of(content, msgid=msgid)
    facts = Facts(PLATFORM_CODE, interface.code, msgid, claim.claim_no, outbound.PATH, now)
    key_id, secret = interface.keys[0]
    headers = ENVELOPES[interface.envelope].seal(body, facts=facts, key_id=key_id, secret=secret)
    seconds = float(settings.DEADLINE_SECONDS["claim"])
    message_id, person_id = uuid7(now), claim.person_id
    PushMessage.objects.create(
        id=message_id,
        push=push,
        organisation_id=push.organisation_id,
        msgid=msgid,
        armed_at=now,
        deadline=now + timedelta(seconds=seconds),
        sealed_request=person_seal(
            _raw(headers, body), person_id=person_id, context=f"push_message:{message_id}:request", now=now
        ),
    )
    push.tries += 1
    push.moved(now=now, by=BY, reason=msgid)
    write_many([push], fields=["tries"])
    return Armed(
        claim_id=claim.pk,
        push_id=push.pk,
        message_id=message_id,
        interface_id=interface.id,
        push_no=push.push_no,
        claim_no=claim.claim_no,
        person_id=person_id,
        facts=facts,
        deadline=now + timedelta(seconds=seconds),
        delivery=Delivery(
            url=interface.base_url + outbound.PATH,
            headers=headers,
            body=body,
            start_before=monotonic_now + settings.SEND_WITHIN_SECONDS,
            give_up_at=monotonic_now + seconds,
        ),
    )


def pushes_conclude(*, results: Sequence[PushResult], now: datetime) -> dict[UUID, datetime | str | None]:
    """Write what the messages brought; per claim None: done, a moment: push again then, a text: a person's."""
    return {result.armed.claim_id: _conclude(result, now) for result in results}


def _conclude(result: PushResult, now: datetime) -> datetime | str | None:
    push = ClaimPush.objects.select_for_update().get(pk=result.armed.push_id)
    _outcome_write(result, now)
    if push.state != PushState.WAITING:
        return None
    match result.reply.outcome:
        case PushOutcome.TAKEN:
            push.case_no = result.reply.case_no
            push.taken()
        case PushOutcome.REFUSED:
            push.refusal_code = result.reply.reason
            push.refuse()
        case _:
            ladder = settings.LADDERS["claim"]
            if push.tries > len(ladder):
                return f"{push.push_no} was not answered to the end of its ladder"
            return max(now, result.armed.deadline) + timedelta(seconds=ladder[push.tries - 1])
    push.moved(now=now, by=BY, reason=result.reply.reason or result.armed.facts.message_id)
    write_many([push], fields=["state", "case_no", "refusal_code"])
    return None


def _outcome_write(result: PushResult, now: datetime) -> None:
    context = f"push_message:{result.armed.message_id}:answer"
    answer = None
    if result.answer is not None:
        answer = person_seal(result.answer, person_id=result.armed.person_id, context=context, now=now)
    PushMessage.objects.filter(pk=result.armed.message_id, outcome__isnull=True).update(
        outcome=result.reply.outcome,
        outcome_at=now,
        outcome_reason=result.reply.reason[:300],
        http_status=result.http_status,
        elapsed_ms=result.elapsed_ms,
        sealed_answer=answer,
    )


def push_proven(*, claim_id: UUID, now: datetime) -> None:
    """A decision came: so the claim was taken, whatever became of the answer that would have said so."""
    push = ClaimPush.objects.select_for_update().filter(claim_id=claim_id, state=PushState.WAITING).first()
    if push is not None:
        _close_open_messages(push, now)
        push.taken()
        push.moved(now=now, by=BY, reason="its decision came")
        write_many([push], fields=["state"])


def _raw(headers: Mapping[str, str], body: bytes) -> bytes:
    return json.dumps(dict(headers)).encode() + b"\n" + body


def _msgid() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('insurers_msgid')")
        return f"MC{cursor.fetchone()[0]:016d}"
