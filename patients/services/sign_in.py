"""Sign-in by a code sent to the number, and the proof of whose number it is."""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from accounts.services import audit_write
from accounts.services.audit import NOBODY
from accounts.services.tries import try_count
from core.crypto import PLATFORM, blind_index, seal
from core.errors import Conflict, Problem
from core.ids import uuid7
from core.row_security import persons_see
from notices.services.deliveries import sign_in_code_send
from patients.selectors.standing import Standing, standing_of
from registry.selectors.persons import identity_index, person_by_id, person_facts, phone_index, phone_normal
from registry.services.persons import person_real_name_set

VALID_SECONDS: Final = 5 * 60
CODE_TRIES: Final = 5
HOUR_SECONDS: Final = 3600
SCOPE: Final = "patients:accounts"
# Tries per window: (most, seconds). A second code within a minute is a double tap.
CODES_PER_MINUTE: Final = (1, 60)
CODES_PER_NUMBER: Final = (6, HOUR_SECONDS)
CODES_PER_ADDRESS: Final = (60, HOUR_SECONDS)
CHECKS_PER_NUMBER: Final = (20, 15 * 60)
CHECKS_PER_ADDRESS: Final = (200, 15 * 60)
IDENTITIES_PER_ACCOUNT: Final = (5, HOUR_SECONDS)
IDENTITIES_PER_PERSON: Final = (10, 24 * HOUR_SECONDS)


class PhoneInvalid(Problem):
    code = "phone_invalid"
    status = 422
    title = "This is no telephone number"
    detail = "A number has 5 to 15 digits."
    detail_zh = "电话号码须为 5 至 15 位数字。"
    fix = "Correct the number."
    fix_zh = "请更正电话号码。"


class TooManyTries(Problem):
    code = "too_many_tries"
    status = 429
    title = "Too many tries"
    detail = "The next try is possible at {until:%H:%M:%S} UTC."
    detail_zh = "尝试次数过多，请在 {until:%H:%M:%S}（UTC）之后再试。"
    fix = "Wait until then, or ask customer service."
    fix_zh = "请稍后再试，或联系客服。"


class CodeWrong(Problem):
    code = "code_wrong"
    status = 403
    title = "The code does not fit"
    detail = "The code is wrong, used, or no longer valid."
    detail_zh = "验证码错误、已使用或已失效。"
    fix = "Type the latest code, or ask for a new one."
    fix_zh = "请输入最新的验证码，或重新获取。"


class AccountBlocked(Problem):
    code = "account_blocked"
    status = 403
    title = "This account is blocked"
    detail = "Nobody can sign in with this number at present."
    detail_zh = "该号码当前无法登录。"
    fix = "Ask customer service."
    fix_zh = "请联系客服。"


class IdentityNotMatched(Conflict):
    code = "identity_not_matched"
    title = "We do not find you like this"
    detail = "No policy on record has this name, identity document and telephone number together."
    detail_zh = "没有同时与该姓名、证件及电话号码相符的保单记录。"
    fix = (
        "Check the three; where the insurer has an old number of yours, ask the insurer or customer service to mend it."
    )
    fix_zh = "请核对以上三项；如保险公司留存的是旧号码，请联系保险公司或客服更正。"


def code_request(*, phone: str, language: str, address: str, now: datetime, trace_id: str) -> None:
    """Send a code to the number, whether or not anybody is known by it. The former code is void.

    `address` is where the request comes from. Raises PhoneInvalid, TooManyTries (counted even so).
    """
    number = _number(phone)
    for subject, limit in (
        (f"code-address:{address}", CODES_PER_ADDRESS),
        (f"code-minute:{number}", CODES_PER_MINUTE),
        (f"code-number:{number}", CODES_PER_NUMBER),
    ):
        _allow(subject, limit, now)
    code = f"{secrets.randbelow(1_000_000):06d}"
    expires_at = now + timedelta(seconds=VALID_SECONDS)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT patients_code_store(%s, %s, %s, %s)",
                [phone_index(phone=number, now=now), _digest(number, code, now), now, expires_at],
            )
        sign_in_code_send(phone=number, code=code, language=language, expires_at=expires_at, now=now, trace_id=trace_id)


def code_sign_in(*, phone: str, code: str, language: str, address: str, now: datetime) -> Standing:
    """The standing of whoever has the code that was sent to the number; his account is made at the first time.

    Each try counts, and a right code works once. Raises PhoneInvalid, TooManyTries, CodeWrong, AccountBlocked.
    """
    number = _number(phone)
    _allow(f"check-number:{number}", CHECKS_PER_NUMBER, now)
    _allow(f"check-address:{address}", CHECKS_PER_ADDRESS, now)
    index = phone_index(phone=number, now=now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT patients_code_use(%s, %s, %s, %s)", [index, _digest(number, code, now), now, CODE_TRIES])
        if not cursor.fetchone()[0]:
            raise CodeWrong
    with transaction.atomic():
        account_id, blocked = _account(number, index, language, now)
        if blocked:
            raise AccountBlocked
        audit_write(
            actor=f"patient:account-{account_id}",
            organisation_id=NOBODY,
            action="patient.signed_in",
            subject=str(account_id),
            now=now,
        )
    standing = standing_of(account_id=account_id, now=now)
    if standing is None:
        raise AccountBlocked
    return standing


def identity_bind(*, account_id: UUID, name: str, id_type: str, id_no: str, now: datetime) -> Standing:
    """Bind the account to the person whose name, document and number are all on record together.

    To be called outside of a database transaction: every try counts. Raises TooManyTries, IdentityNotMatched.
    """
    index = identity_index(id_type=id_type, id_no=id_no, now=now)
    _allow(f"identity-account:{account_id}", IDENTITIES_PER_ACCOUNT, now)
    _allow(f"identity-person:{index.hex()}", IDENTITIES_PER_PERSON, now)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT patients_person_match(%s, %s)", [account_id, index])
            person_id = cursor.fetchone()[0]
            if person_id is None or not _name_fits(person_id, name):
                raise IdentityNotMatched
            cursor.execute("SELECT patients_account_bind(%s, %s, %s)", [account_id, index, now])
            if not cursor.fetchone()[0]:
                raise IdentityNotMatched
        person = person_by_id(person_id=person_id)
        if person is not None and person.real_name_level < 1:
            person_real_name_set(person_id=person_id, level=1, by=f"patient:{person_id}", now=now)
    standing = standing_of(account_id=account_id, now=now)
    if standing is None:
        raise AccountBlocked
    return standing


def _name_fits(person_id: UUID, name: str) -> bool:
    persons_see([person_id])
    person = person_by_id(person_id=person_id)
    if person is None:
        return False
    known = person_facts(person=person).name
    return hmac.compare_digest(_name(known).encode(), _name(name).encode())


def _name(value: str) -> str:
    """Width, case and spaces do not make another person."""
    return "".join(unicodedata.normalize("NFKC", value).casefold().split())


def _number(phone: str) -> str:
    number = phone_normal(phone)
    if not 5 <= len(number) <= 15:
        raise PhoneInvalid
    return number


def _digest(number: str, code: str, now: datetime) -> bytes:
    return blind_index(f"sign-in:{number}:{code}", now=now)


def _allow(subject: str, limit: tuple[int, int], now: datetime) -> None:
    most, seconds = limit
    until, _ = try_count(subject=f"patients:{subject}", most=most, window_seconds=seconds, now=now)
    if until is not None:
        raise TooManyTries(until=until)


def _account(number: str, index: bytes, language: str, now: datetime) -> tuple[UUID, bool]:
    account_id = uuid7(now)
    sealed = seal(
        number.encode(), scope=SCOPE, organisation_id=PLATFORM, context=f"patients:account:{index.hex()}", now=now
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT account_id, is_blocked FROM patients_account_sign_in(%s, %s, %s, %s, %s)",
            [account_id, index, sealed, language, now],
        )
        found: tuple[UUID, bool] = cursor.fetchone()
    return found
