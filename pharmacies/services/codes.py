"""Pick-up codes: a rotating QR that needs no network, six digits for the counter; right once, and only a few tries.

A try is counted in a commit of its own, before anything is handed over: `code_find` and `code_show` never raise after
they have counted. A hand-over asks whether the code was shown, never what it is.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from core.crypto import derived_key, unseal
from core.errors import Conflict, NotFound
from core.ids import uuid7
from core.row_security import EVERYTHING, seen_by
from pharmacies.models import CodeTry, Order, PickUpCode, Reservation
from pharmacies.services.desk import order_locked, state_check
from pharmacies.states import CodeState, OrderState
from registry.services.persons import person_seal

STEP_SECONDS: Final = 30
STEPS_ASIDE: Final = 1  # A telephone's clock may be half a minute off.
SEED_BYTES: Final = 20
TRIES: Final = 5
SHOP_TRIES, SHOP_TRIES_WITHIN = 10, timedelta(minutes=15)
SHOWN_FOR: Final = timedelta(minutes=15)
QR = re.compile(r"MS1:([A-Za-z0-9-]{1,30}):([0-9]{8})")
DIGITS = re.compile(r"[0-9]{6}")


class CodeMissing(Conflict):
    code = "pick_up_code_missing"
    title = "The pick-up code was not shown"
    detail = "Order {order_no}: {why}."
    detail_zh = "订单 {order_no}：{why_zh}。"
    fix = "Ask for the code on the patient's telephone and enter it anew."
    fix_zh = "请患者出示手机上的取药码并重新录入。"


class CodeTriesSpent(Conflict):
    code = "code_tries_spent"
    title = "Too many codes that fit nothing"
    detail = "This shop has entered {tries} codes within {minutes} minutes that fit none of its orders."
    detail_zh = "本门店 {minutes} 分钟内已录入 {tries} 个无效取药码。"
    fix = "Wait a quarter of an hour, or scan the patient's QR code of the order."
    fix_zh = "请等待 15 分钟，或扫描患者的订单二维码。"


@dataclass(frozen=True, slots=True)
class CodeSeen:
    """What a try has shown. `order_id` None: it fits no order of the shop."""

    right: bool
    order_id: UUID | None = None
    tries_left: int = 0


@dataclass(frozen=True, slots=True)
class CodeShown:
    """What the patient's program shows; the seed makes a new QR each 30 seconds without a network."""

    order_no: str
    seed: bytes
    digits: str
    usable: bool
    expires_at: datetime

    def qr(self, *, now: datetime) -> str:
        return f"MS1:{self.order_no}:{rotating(self.seed, now)}"


def code_create(*, order: Order, usable: bool, now: datetime) -> PickUpCode:
    """A new code of the locked order; the one before is void. Ends at the order's `fetch_by`."""
    if order.fetch_by is None:
        raise RuntimeError(f"order {order.order_no} has no end of fetching")
    codes_void(order=order, now=now)
    code_id, seed = uuid7(now), secrets.token_bytes(SEED_BYTES)
    digits, salt = _free_digits(order, now)
    sealed = person_seal(seed + digits.encode(), person_id=order.person_id, context=_context(code_id), now=now)
    return PickUpCode.objects.create(
        id=code_id,
        order=order,
        organisation_id=order.organisation_id,
        sealed_seed=sealed,
        salt=salt,
        digits_hash=_hash(digits, salt, now),
        usable=usable,
        expires_at=order.fetch_by,
        tries_left=TRIES,
        created_at=now,
    )


def code_make_usable(*, order_id: UUID, by: str, now: datetime, trace_id: str) -> PickUpCode:
    """The insurer has confirmed: the code opens from now on. Again changes nothing. Raises NotFound, CodeMissing."""
    with order_locked(order_id=order_id) as order:
        code = live_code(order)
        if not code.usable:
            code.usable = True
            code.save(update_fields=["usable"])
    return code


def code_renew(*, order_id: UUID, by: str, now: datetime, trace_id: str) -> PickUpCode:
    """Another code for an order that is ready: the old one was tried too often, or seen by others. Raises NotFound,
    OrderStateRefuses."""
    with order_locked(order_id=order_id) as order:
        state_check(order, OrderState.READY, act="code.renew")
        last = order.codes.exclude(outcome=CodeState.USED).order_by("created_at", "pk").last()
        return code_create(order=order, usable=last is None or last.usable, now=now)


def codes_void(*, order: Order, now: datetime) -> None:
    order.codes.filter(outcome=CodeState.ACTIVE).update(outcome=CodeState.VOID, ended_at=now)


def code_shown_to_patient(*, order: Order) -> CodeShown:
    """The code as its patient sees it. Raises CodeMissing."""
    code = order.codes.filter(outcome=CodeState.ACTIVE).first()
    if code is None:
        raise _missing(order.order_no, "it has no live code", "没有有效的取药码")
    plain = unseal(code.sealed_seed, context=_context(code.pk))
    return CodeShown(order.order_no, plain[:-6], plain[-6:].decode(), code.usable, code.expires_at)


@transaction.atomic
def code_find(*, organisation_id: int, code: str, by: str, now: datetime) -> CodeSeen:
    """Which open order of the shop a scanned QR or six digits belong to; stamps the code as shown.

    A miss is counted and told by the answer, which the caller commits. Raises CodeTriesSpent.
    """
    tries = CodeTry.objects.filter(organisation_id=organisation_id, at__gt=now - SHOP_TRIES_WITHIN).count()
    if tries >= SHOP_TRIES:
        minutes = int(SHOP_TRIES_WITHIN.total_seconds()) // 60
        raise CodeTriesSpent(tries=tries, minutes=minutes)
    live = PickUpCode.objects.filter(
        organisation_id=organisation_id, outcome=CodeState.ACTIVE, order__state=OrderState.READY
    )
    live = live.select_for_update(of=("self",)).select_related("order").order_by("pk")
    if (named := QR.fullmatch(code.strip())) is not None:
        row = live.filter(order__order_no=named[1]).first()
        if row is not None:
            return _tried(row, code, by=by, now=now)
    elif DIGITS.fullmatch(code.strip()):
        for row in live:
            if _right(row, code.strip(), now):
                return _tried(row, code, by=by, now=now)
    CodeTry.objects.create(id=uuid7(now), organisation_id=organisation_id, by=by, at=now)
    return CodeSeen(right=False)


@transaction.atomic
def code_show(*, order_id: UUID, code: str, by: str, now: datetime) -> CodeSeen:
    """Whether the code is that order's; stamps it as shown. A wrong one costs a try, the last one voids the code.

    The caller commits whatever the answer is. Raises NotFound, CodeMissing where there is no live code.
    """
    row = PickUpCode.objects.select_for_update().filter(order_id=order_id, outcome=CodeState.ACTIVE).first()
    if row is None:
        order = Order.objects.filter(pk=order_id).first()
        if order is None:
            raise NotFound(noun="order", noun_zh="订单", key=order_id)
        raise _missing(order.order_no, "it has no live code", "没有有效的取药码")
    return _tried(row, code, by=by, now=now)


def code_use(*, order: Order, now: datetime) -> PickUpCode:
    """The locked order's code, shown a moment ago, is used up. Raises CodeMissing."""
    code = live_code(order)
    if order.person.died_on is not None:
        raise _missing(order.order_no, "its patient has died", "患者已去世，取药码失效")
    if not code.usable:
        raise _missing(order.order_no, "the insurer has not confirmed yet", "保险公司尚未确认，取药码暂不可用")
    if now >= code.expires_at:
        raise _missing(order.order_no, "the code has expired", "取药码已过期")
    if code.shown_at is None or now - code.shown_at >= SHOWN_FOR:
        raise _missing(order.order_no, "nobody has shown its code just now", "尚未出示取药码")
    code.outcome, code.ended_at = CodeState.USED, now
    code.save(update_fields=["outcome", "ended_at"])
    return code


def code_back(*, order: Order, now: datetime) -> None:
    """The hand-over for which the code was used did not come about: it opens again."""
    code = order.codes.filter(outcome=CodeState.USED).order_by("ended_at", "pk").last()
    if code is not None and not order.codes.filter(outcome=CodeState.ACTIVE).exists():
        code.outcome, code.ended_at, code.shown_at = CodeState.ACTIVE, None, None
        code.save(update_fields=["outcome", "ended_at", "shown_at"])


def live_code(order: Order) -> PickUpCode:
    """The row, locked. Raises CodeMissing."""
    code = order.codes.select_for_update().filter(outcome=CodeState.ACTIVE).first()
    if code is None:
        raise _missing(order.order_no, "it has no live code", "没有有效的取药码")
    return code


def latest_end(*, order: Order) -> tuple[datetime, str]:
    """The last moment at which the order may be fetched, and what ends it: prescription, authorisation, policy with its
    grace, or the stock that is reserved."""
    claim = order.claim
    grace = timedelta(days=int(claim.terms.body["grace_days"])) if claim.terms is not None else timedelta()
    ends: list[tuple[date, str]] = [(claim.policy.ends_on + grace, "policy")]
    if claim.prescription is not None:
        ends.append((claim.prescription.valid_until, "prescription"))
    if claim.authorisation is not None:
        ends.append((claim.authorisation.valid_until, "authorisation"))
    kept = Reservation.objects.filter(line__order=order, quantity__gt=0).order_by("lot__expires_on")
    if (lot_ends := kept.values_list("lot__expires_on", flat=True).first()) is not None:
        ends.append((lot_ends, "stock"))
    day, why = min(ends)
    midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=timezone.get_default_timezone())
    return midnight, why


def rotating(seed: bytes, now: datetime, *, steps: int = 0) -> str:
    """Eight digits of this half minute (RFC 6238 with SHA-256), `steps` half minutes aside."""
    counter = int(now.timestamp()) // STEP_SECONDS + steps
    mac = hmac.digest(seed, counter.to_bytes(8, "big"), "sha256")
    at = mac[-1] & 0x0F
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**8:08d}"


def _tried(row: PickUpCode, code: str, *, by: str, now: datetime) -> CodeSeen:
    if now < row.expires_at and row.tries_left > 0 and _right(row, code.strip(), now):
        row.shown_at, row.shown_by = now, by
        row.save(update_fields=["shown_at", "shown_by"])
        return CodeSeen(right=True, order_id=row.order_id, tries_left=row.tries_left)
    row.tries_left = max(0, row.tries_left - 1)
    if row.tries_left == 0:
        row.outcome, row.ended_at = CodeState.VOID, now
    row.save(update_fields=["tries_left", "outcome", "ended_at"])
    return CodeSeen(right=False, order_id=row.order_id, tries_left=row.tries_left)


def _right(row: PickUpCode, code: str, now: datetime) -> bool:
    if DIGITS.fullmatch(code):
        return hmac.compare_digest(_hash(code, bytes(row.salt), now), bytes(row.digits_hash))
    named = QR.fullmatch(code)
    if named is None or named[1] != row.order.order_no:
        return False
    with seen_by(EVERYTHING):  # The key is the patient's, whom a shop does not see.
        seed = unseal(row.sealed_seed, context=_context(row.pk))[:-6]
    aside = range(-STEPS_ASIDE, STEPS_ASIDE + 1)
    return any(hmac.compare_digest(rotating(seed, now, steps=steps), named[2]) for steps in aside)


def _free_digits(order: Order, now: datetime) -> tuple[str, bytes]:
    """Six digits that no other live code of the shop has."""
    others = PickUpCode.objects.filter(organisation_id=order.organisation_id, outcome=CodeState.ACTIVE)
    taken = [(bytes(row.salt), bytes(row.digits_hash)) for row in others]
    while True:
        digits, salt = f"{secrets.randbelow(10**6):06d}", secrets.token_bytes(16)
        if all(_hash(digits, other, now) != known for other, known in taken):
            return digits, salt


def _hash(digits: str, salt: bytes, now: datetime) -> bytes:
    """A million of them is nothing: without the platform's key the hash proves no digits."""
    key = derived_key(scope="pick-up", purpose="six digits", now=now)
    return hmac.digest(key, salt + digits.encode(), hashlib.sha256)


def _context(code_id: UUID) -> str:
    return f"pick-up-code:{code_id}"


def _missing(order_no: str, why: str, why_zh: str) -> CodeMissing:
    return CodeMissing(order_no=order_no, why=why, why_zh=why_zh)
