"""What an insurer's system tells us: stored raw, verified, acknowledged; worked later, once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.selectors import organisation_by_code
from accounts.states import OrganisationKind
from core.crypto import organisation_month_scope, seal
from core.errors import Conflict, Problem
from core.ids import uuid7
from core.row_security import seen_by
from exchange.envelopes import ENVELOPES
from exchange.envelopes.hmac_envelope import MessageRefused
from exchange.messages import PLATFORM_CODE, Facts
from insurers.models import CallbackKey, InboundMessage
from insurers.selectors.docking import callback_context, callback_secrets, module_is_open
from insurers.states import InboundOutcome, Module
from journal.selectors import platform_lane
from journal.services import JobDraft, jobs_add

WORK: Final = "insurers.decision_work"
BODY_LIMIT_BYTES = 256 * 1024
# What is not proven is kept for people to look at, and no flood of it is kept.
REFUSED_KEPT = 200
REFUSED_WINDOW = timedelta(hours=1)
SECRET_BYTES = 16


class NotProven(Problem):
    code = "not_proven"
    status = 401
    title = "The message is not proven to be the insurer's"
    detail = "It was not accepted: {cause}."
    detail_zh = "消息未被接受：{cause}。"
    fix = "See the contract: signature over the exact bytes, a live key, a clock within 60 seconds."
    fix_zh = "请核对接口约定：对原始字节签名、使用有效密钥、时钟偏差不超过 60 秒。"


class MessageIdUsed(Conflict):
    code = "message_id_used"
    title = "The message id was used"
    detail = "Message {message_id} came before with another body."
    detail_zh = "消息号 {message_id} 已用于其他内容。"
    fix = "Give every message an id of its own; repeat the id only with the same body."
    fix_zh = "每条消息须使用独立的消息号；仅在原样重发时可重复。"


class ModuleClosed(Conflict):
    code = "module_closed"
    title = "The module is not open"
    detail = "{sender} has not opened the module claim."
    detail_zh = "{sender} 未开通理赔模块。"
    fix = "Open it in the docking centre first."
    fix_zh = "请先在对接中心开通该模块。"


class MessageTooLarge(Problem):
    code = "message_too_large"
    status = 413
    title = "The message is too large"
    detail = "A message may have {limit} bytes."
    detail_zh = "消息不得超过 {limit} 字节。"
    fix = "Send documents through the portal, not inside a decision."
    fix_zh = "请通过系统页面传送材料，不要放入决定消息。"


class KeyInvalid(Problem):
    code = "callback_key_invalid"
    status = 422
    title = "The key cannot be used"
    detail = "{explanation}"
    detail_zh = "密钥不可用：{explanation_zh}"
    fix = "Make a new random key of at least 16 bytes."
    fix_zh = "请重新生成至少 16 字节的随机密钥。"


@dataclass(frozen=True, slots=True)
class Received:
    """What becomes of a message at the door. A `problem` is told; what was stored stays stored."""

    problem: Problem | None = None
    replayed: bool = False
    outcome: str = ""
    outcome_code: str = ""
    message_key: UUID | None = None


def message_receive(*, path: str, headers: Mapping[str, str], body: bytes, now: datetime, trace_id: str) -> Received:
    """Store a message, verify it, and leave a job that works it; raises nothing that the sender could cause.

    In a database transaction of its own, which sees the sender's rows only.
    """
    if len(body) > BODY_LIMIT_BYTES:
        return Received(problem=MessageTooLarge(limit=BODY_LIMIT_BYTES))
    sender = headers.get("X-MS-Sender", "")[:40]
    insurer = organisation_by_code(code=sender)
    if insurer is None or insurer.kind != OrganisationKind.INSURER:
        # Nobody known: nothing is stored in anybody's name.
        return Received(problem=NotProven(cause="unknown_sender"))
    facts = Facts(
        sender, PLATFORM_CODE, headers.get("X-MS-Message-Id", ""), headers.get("X-MS-Correlation-Id", ""), path, now
    )
    with seen_by([insurer.pk]):
        try:
            secrets = callback_secrets(organisation_id=insurer.pk)
            ENVELOPES["hmac"].accept(body, headers, facts=facts, secrets=secrets, now=now)
        except MessageRefused as refused:
            _keep_refused(insurer.pk, facts, headers, body, refused.code, now, trace_id)
            return Received(problem=NotProven(cause=refused.code))
        if not module_is_open(organisation_id=insurer.pk, module=Module.CLAIM):
            return Received(problem=ModuleClosed(sender=sender))
        return _take(insurer.pk, facts, headers, body, now, trace_id)


def _take(
    organisation_id: int, facts: Facts, headers: Mapping[str, str], body: bytes, now: datetime, trace_id: str
) -> Received:
    known = _known(organisation_id, facts.message_id)
    if known is None:
        row = _row(organisation_id, facts, headers, body, now, trace_id)
        row.verified, row.outcome = True, InboundOutcome.WAITING
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            known = _known(organisation_id, facts.message_id)
            if known is None:
                raise
        else:
            _work_later(row, now)
            return Received(outcome=row.outcome, message_key=row.pk)
    if known.digest != hashlib.sha256(body).hexdigest():
        return Received(problem=MessageIdUsed(message_id=facts.message_id))
    return Received(replayed=True, outcome=known.outcome, outcome_code=known.outcome_code, message_key=known.pk)


def _known(organisation_id: int, message_id: str) -> InboundMessage | None:
    return InboundMessage.objects.filter(organisation_id=organisation_id, message_id=message_id, verified=True).first()


def _work_later(row: InboundMessage, now: datetime) -> None:
    draft = JobDraft(
        kind=WORK,
        lane_id=platform_lane(),
        organisation_id=row.organisation_id,
        subject_id=row.pk,
        run_at=now,
        trace_id=row.trace_id,
    )
    jobs_add(drafts=[draft], now=now)


def _keep_refused(
    organisation_id: int,
    facts: Facts,
    headers: Mapping[str, str],
    body: bytes,
    code: str,
    now: datetime,
    trace_id: str,
) -> None:
    """What was not proven, with the reason, for the insurer's and the platform's people; at most so many an hour."""
    lately = InboundMessage.objects.filter(
        organisation_id=organisation_id, verified=False, received_at__gt=now - REFUSED_WINDOW
    )
    if lately.count() >= REFUSED_KEPT:
        return
    row = _row(organisation_id, facts, headers, body, now, trace_id)
    row.verified, row.outcome, row.outcome_code = False, InboundOutcome.REFUSED_AT_THE_DOOR, code
    row.outcome_at = now
    row.save(force_insert=True)


def _row(
    organisation_id: int, facts: Facts, headers: Mapping[str, str], body: bytes, now: datetime, trace_id: str
) -> InboundMessage:
    key = uuid7(now)
    raw = json.dumps({name: value for name, value in headers.items() if name.startswith("X-MS-")}).encode()
    return InboundMessage(
        id=key,
        organisation_id=organisation_id,
        message_id=facts.message_id[:80].replace("\0", ""),
        digest=hashlib.sha256(body).hexdigest(),
        sealed_message=seal(
            raw + b"\n" + body,
            scope=organisation_month_scope(organisation_id=organisation_id, now=now),
            organisation_id=organisation_id,
            context=inbound_context(key),
            now=now,
        ),
        received_at=now,
        trace_id=trace_id,
    )


def inbound_context(key: UUID) -> str:
    """What binds a sealed message to its row."""
    return f"inbound:{key}"


@transaction.atomic
def callback_key_add(*, organisation_id: int, key_id: str, secret: bytes, now: datetime) -> CallbackKey:
    """Store a secret with which an insurer signs what it sends. Several may be live. Raises KeyInvalid."""
    if len(secret) < SECRET_BYTES or not key_id:
        raise KeyInvalid(
            explanation=f"The secret has fewer than {SECRET_BYTES} bytes, or the key has no name.",
            explanation_zh=f"密钥不足 {SECRET_BYTES} 字节，或缺少密钥编号。",
        )
    sealed = seal(
        secret,
        scope=f"callback:{organisation_id}",
        organisation_id=organisation_id,
        context=callback_context(organisation_id, key_id),
        now=now,
    )
    key, _ = CallbackKey.objects.update_or_create(
        organisation_id=organisation_id,
        key_id=key_id,
        defaults={"sealed_secret": sealed, "created_at": now, "retired_at": None},
    )
    return key


def callback_key_retire(*, organisation_id: int, key_id: str, now: datetime) -> None:
    """From now on nothing signed with it is accepted."""
    CallbackKey.objects.filter(organisation_id=organisation_id, key_id=key_id).update(retired_at=now)
