"""The platform's accounts at banks: opened with the rail that leads there, never changed in what they are."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from accounts.selectors import platform_id
from accounts.services import audit_write
from core.crypto import seal, unseal
from core.errors import Problem
from core.ids import uuid7
from core.money import EXPONENTS
from core.row_security import EVERYTHING, seen_by
from settlement.models import BankAccount
from settlement.rails import RAILS, RailAccount

if TYPE_CHECKING:
    from journal.models import Lane

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SECRET_BYTES = 16
SCOPE = "settlement:bank"


class BankAccountInvalid(Problem):
    code = "bank_account_invalid"
    status = 422
    title = "The bank account cannot be set up like this"
    detail = "{explanation}"
    detail_zh = "银行账户配置无效：{explanation}"
    fix = "Correct what the detail names and try again."
    fix_zh = "请更正所指内容后重试。"


@transaction.atomic
def bank_account_open(
    *,
    code: str,
    holder: str,
    account_no: str,
    bank_code: str,
    currency: str,
    rail: str,
    base_url: str = "",
    lane: Lane | None = None,
    key_id: str = "",
    secret: bytes = b"",
    quiet_seconds: float = 60.0,
    is_idempotent: bool = False,
    by: str,
    now: datetime,
) -> BankAccount:
    """An account of the platform's. `quiet_seconds` and `is_idempotent` are what the bank has proven in its tests:
    after that time without an answer it takes no payment any more; the same message id is the same payment.

    Raises BankAccountInvalid.
    """
    way = RAILS.get(rail)
    if way is None or currency not in EXPONENTS:
        raise BankAccountInvalid(explanation=f"rail {rail} or currency {currency} is not known")
    if way.is_online:
        _line_check(base_url, lane, secret)
    with seen_by(EVERYTHING):
        organisation_id = platform_id()
        sealed = (
            seal(secret, scope=SCOPE, organisation_id=organisation_id, context=_context(code), now=now)
            if secret
            else None
        )
        account = BankAccount(
            id=uuid7(now),
            code=code,
            organisation_id=organisation_id,
            holder=holder,
            account_no=account_no,
            bank_code=bank_code,
            currency=currency,
            rail=rail,
            base_url=base_url,
            lane=lane,
            key_id=key_id,
            sealed_secret=sealed,
            quiet_seconds=quiet_seconds,
            is_idempotent=is_idempotent,
            opened_at=now,
        )
        account.save(force_insert=True)
        audit_write(
            actor=by, organisation_id=organisation_id, action="bank_account.opened", subject=str(account.pk), now=now
        )
    return account


def _line_check(base_url: str, lane: Lane | None, secret: bytes) -> None:
    parts = urlsplit(base_url)
    sandbox = settings.ENVIRONMENT != "production" and parts.hostname in LOOPBACK
    if not (parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and sandbox))):
        raise BankAccountInvalid(explanation=f"{base_url or 'the address that is missing'} is not https")
    if lane is None or len(secret) < SECRET_BYTES:
        raise BankAccountInvalid(explanation=f"a line needs a lane and a secret of at least {SECRET_BYTES} bytes")


def rail_account(account: BankAccount) -> RailAccount:
    """The account as its rail needs it, with the secret: role worker, or the platform's sight."""
    secret = b"" if account.sealed_secret is None else unseal(account.sealed_secret, context=_context(account.code))
    return RailAccount(
        holder=account.holder,
        account_no=account.account_no,
        bank_code=account.bank_code,
        currency=account.currency,
        base_url=account.base_url,
        key_id=account.key_id,
        secret=secret,
    )


def _context(code: str) -> str:
    return f"bank_account:{code}"
