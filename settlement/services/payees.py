"""Where somebody is paid: told by one, found right by another, in the payee's own name; a change rests."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.selectors import organisation_names, platform_id
from accounts.services import audit_write
from core.crypto import blind_index, seal, unseal
from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from core.money import EXPONENTS
from core.row_security import EVERYTHING, seen_by
from registry.selectors.persons import person_by_id, person_facts
from registry.services.persons import person_seal
from settlement.models import PayeeAccount

NUMBER = re.compile(r"[0-9A-Z]{6,34}")
BANK = re.compile(r"[0-9A-Za-z]{3,35}")
HOLDER_AT_MOST = 140


class PayeeInvalid(Problem):
    code = "payee_invalid"
    status = 422
    title = "The account cannot be taken like this"
    detail = "{field}: {explanation}."
    detail_zh = "收款账户无效，{field}：{explanation_zh}。"
    fix = "Correct that field; nothing was stored."
    fix_zh = "请更正该项；本次未保存任何内容。"


class PayeeNameDiffers(Problem):
    code = "payee_name_differs"
    status = 422
    title = "The account is in another name"
    detail = "The account's holder is not called like who is to be paid."
    detail_zh = "账户户名与收款人不一致。"
    fix = "Give an account in the payee's own name: nobody is paid through another's account."
    fix_zh = "请提供收款人本人（本机构）名下的账户，款项不会付至他人账户。"


class PayeeMissing(Conflict):
    code = "payee_missing"
    title = "There is no account to pay to"
    detail = "Leg {leg_no} cannot be paid: its payee has no account in {currency} that was found right."
    detail_zh = "款项 {leg_no} 无法支付：收款人没有已核实的 {currency} 账户。"
    fix = "Have the payee tell his account and another person find it right."
    fix_zh = "请由收款人登记账户，并由另一人核实。"


class PayeeRests(Conflict):
    code = "payee_rests"
    title = "The account has changed and rests"
    detail = "Leg {leg_no}: the payee's account was changed; it may be paid to from {until}."
    detail_zh = "款项 {leg_no}：收款账户已变更，自 {until} 起方可付款。"
    fix = "Wait until then. Ask the payee on a known telephone number whether the change is his."
    fix_zh = "请等待至该时间，并通过已登记电话向收款人确认变更。"


class PayeeDied(Conflict):
    code = "payee_died"
    title = "The patient has died"
    detail = "Leg {leg_no} is not paid to the account of somebody who has died."
    detail_zh = "款项 {leg_no} 的患者已身故，不再付至其本人账户。"
    fix = "Clarify who the heirs are; the leg stays due until then."
    fix_zh = "请确认继承人；在此之前该款项保持应付状态。"


class PayeeSamePerson(Conflict):
    code = "payee_same_person"
    title = "Another person must find it right"
    detail = "Who told an account may not find it right himself."
    detail_zh = "登记账户的人不得自行核实。"
    fix = "Ask a colleague."
    fix_zh = "请由同事核实。"


class PayeeClosed(Conflict):
    code = "payee_closed"
    title = "This account is not waiting"
    detail = "The account was found right before, or is closed."
    detail_zh = "该账户已核实或已停用。"
    fix = "Look at the payee's accounts; tell a new one where it has changed."
    fix_zh = "请查看收款人的账户；如有变更请重新登记。"


@dataclass(frozen=True, slots=True)
class PayeeFacts:
    """An account in clear, for the moment of paying."""

    holder: str
    number: str
    bank_code: str


@transaction.atomic
def payee_tell(
    *,
    number: str,
    holder: str,
    bank_code: str,
    currency: str,
    organisation_id: int | None = None,
    person_id: UUID | None = None,
    by: str,
    now: datetime,
) -> PayeeAccount:
    """An account of that organisation or person, waiting to be found right; it replaces one that waits already.

    Raises NotFound, PayeeInvalid, PayeeNameDiffers.
    """
    number = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", number)).upper()
    _form_check(number, holder, bank_code, currency)
    # With the caller's own sight: whom he does not see has no account here.
    if not _is_own_name(holder, organisation_id, person_id):
        raise PayeeNameDiffers()
    with seen_by(EVERYTHING):
        rows = PayeeAccount.objects.select_for_update().filter(_of(organisation_id, person_id), currency=currency)
        known = list(rows.order_by("pk"))
        for row in known:
            if row.closed_at is None and row.confirmed_at is None:
                _close(row, reason="replaced before it was found right", by=by, now=now)
        account_id = uuid7(now)
        account = PayeeAccount(
            id=account_id,
            organisation_id=organisation_id,
            person_id=person_id,
            currency=currency,
            sealed_number=_sealed(number, account_id, "number", organisation_id, person_id, now),
            number_index=blind_index(f"account:{bank_code}:{number}", now=now),
            number_tail=number[-4:],
            sealed_holder=_sealed(holder.strip(), account_id, "holder", organisation_id, person_id, now),
            bank_code=bank_code,
            told_by=by,
            told_at=now,
            is_change=any(row.confirmed_at is not None for row in known),
        )
        account.save(force_insert=True)
        _audit(account, "payee.told", by, now)
    return account


@transaction.atomic
def payee_confirm(*, payee_id: UUID, by: str, now: datetime) -> PayeeAccount:
    """Found right by another person; the one before is closed. Raises NotFound, PayeeClosed, PayeeSamePerson."""
    with seen_by(EVERYTHING):
        account = _locked(payee_id)
        if account.confirmed_at is not None or account.closed_at is not None:
            raise PayeeClosed()
        if account.told_by == by:
            raise PayeeSamePerson()
        before = PayeeAccount.objects.select_for_update().filter(
            _of(account.organisation_id, account.person_id),
            currency=account.currency,
            confirmed_at__isnull=False,
            closed_at__isnull=True,
        )
        for row in before:
            _close(row, reason="replaced", by=by, now=now)
        account.confirmed_by, account.confirmed_at = by, now
        account.save(update_fields=["confirmed_by", "confirmed_at"])
        _audit(account, "payee.found_right", by, now)
    return account


@transaction.atomic
def payee_close(*, payee_id: UUID, reason: str, by: str, now: datetime) -> PayeeAccount:
    """Nothing more is paid to it. A closed one stays as it is. Raises NotFound."""
    with seen_by(EVERYTHING):
        account = _locked(payee_id)
        if account.closed_at is None:
            _close(account, reason=reason, by=by, now=now)
            _audit(account, "payee.closed", by, now)
    return account


def payee_facts(account: PayeeAccount) -> PayeeFacts:
    """Holder and number in clear: role worker, or the platform's sight."""
    return PayeeFacts(
        holder=unseal(account.sealed_holder, context=f"payee:{account.pk}:holder").decode(),
        number=unseal(account.sealed_number, context=f"payee:{account.pk}:number").decode(),
        bank_code=account.bank_code,
    )


def payee_for(
    *, organisation_id: int | None, person_id: UUID | None, currency: str, leg_no: str, rests_hours: int, now: datetime
) -> PayeeAccount:
    """The account that this payee may be paid to now. Raises PayeeDied, PayeeMissing, PayeeRests.

    While a change rests nothing is paid, not even to the account before it: which of the two is the thief's nobody
    knows yet.
    """
    person = None if person_id is None else person_by_id(person_id=person_id)
    if person is not None and person.died_on is not None:
        raise PayeeDied(leg_no=leg_no)
    account = PayeeAccount.objects.filter(
        _of(organisation_id, person_id),
        currency=currency,
        confirmed_at__isnull=False,
        closed_at__isnull=True,
    ).first()
    if account is None or account.confirmed_at is None:
        raise PayeeMissing(leg_no=leg_no, currency=currency)
    until = account.confirmed_at + timedelta(hours=rests_hours)
    if account.is_change and now < until:
        raise PayeeRests(leg_no=leg_no, until=until.isoformat(timespec="minutes"))
    return account


def _of(organisation_id: int | None, person_id: UUID | None) -> Q:
    return Q(person_id=person_id) if person_id is not None else Q(organisation_id=organisation_id, person_id=None)


def _form_check(number: str, holder: str, bank_code: str, currency: str) -> None:
    if NUMBER.fullmatch(number) is None:
        raise PayeeInvalid(
            field="number", explanation="6 to 34 digits or letters", explanation_zh="须为 6–34 位数字或字母"
        )
    if BANK.fullmatch(bank_code) is None:
        raise PayeeInvalid(field="bank_code", explanation="3 to 35 digits or letters", explanation_zh="须为 3–35 位")
    if not 0 < len(holder.strip()) <= HOLDER_AT_MOST:
        raise PayeeInvalid(field="holder", explanation="empty or too long", explanation_zh="为空或过长")
    if currency not in EXPONENTS:
        raise PayeeInvalid(field="currency", explanation="not one that we keep", explanation_zh="不支持该币种")


def _is_own_name(holder: str, organisation_id: int | None, person_id: UUID | None) -> bool:
    if organisation_id is not None:
        return name_normal(holder) in {name_normal(name) for name in organisation_names(organisation_id)}
    person = person_by_id(person_id=person_id) if person_id is not None else None
    if person is None:
        raise NotFound(noun="person", noun_zh="人员", key=person_id or "")
    return name_normal(holder) == name_normal(person_facts(person=person).name)


def name_normal(name: str) -> str:
    """Names are compared without width, case, blanks and dots: 欧阳·娜 and 欧阳•娜 are one."""
    return re.sub(r"[\s·•‧・.]", "", unicodedata.normalize("NFKC", name)).casefold()


def _sealed(
    text: str, account_id: UUID, what: str, organisation_id: int | None, person_id: UUID | None, now: datetime
) -> bytes:
    context = f"payee:{account_id}:{what}"
    if person_id is not None:
        return person_seal(text.encode(), person_id=person_id, context=context, now=now)
    owner = organisation_id or platform_id()
    return seal(text.encode(), scope=f"payee:{owner}", organisation_id=owner, context=context, now=now)


def _locked(payee_id: UUID) -> PayeeAccount:
    account = PayeeAccount.objects.select_for_update().filter(pk=payee_id).first()
    if account is None:
        raise NotFound(noun="payee account", noun_zh="收款账户", key=payee_id)
    return account


def _close(account: PayeeAccount, *, reason: str, by: str, now: datetime) -> None:
    account.closed_at, account.closed_by, account.closed_reason = now, by, reason
    account.save(update_fields=["closed_at", "closed_by", "closed_reason"])


def _audit(account: PayeeAccount, action: str, by: str, now: datetime) -> None:
    audit_write(
        actor=by,
        organisation_id=account.organisation_id or platform_id(),
        action=action,
        subject=str(account.pk),
        now=now,
    )
