"""How amounts, moments, codes and ids look in every portal. Ids carry translate="no": they are data, not words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from core.money import Money
from portal.labels import LABELS, reason_told, word_told
from portal.labels import label as label_of
from portal.labels import tone as tone_of

if TYPE_CHECKING:
    from claims.models import ClaimLine
    from exchange.models import Transaction

register = template.Library()


@register.simple_tag
def money(minor: int | str | None, currency: str) -> SafeString:
    """An amount in minor units with its currency, or a dash for none."""
    if minor is None or minor == "":
        return SafeString('<span class="ms-none">–</span>')
    number, _, code = str(Money(int(minor), currency)).partition(" ")
    return format_html('<span class="ms-money" translate="no">{} <small>{}</small></span>', number, code)


@register.simple_tag
def moment(at: datetime | str | None, milliseconds: bool = False) -> SafeString:
    """A moment in the organisation's time zone; the tooltip has it in UTC. Stored reports have theirs in RFC 3339."""
    at = datetime.fromisoformat(at) if isinstance(at, str) and at else at
    if not isinstance(at, datetime):
        return SafeString('<span class="ms-none">–</span>')
    local = timezone.localtime(at)
    text = local.strftime("%Y-%m-%d %H:%M:%S")
    if milliseconds:
        text += f".{local.microsecond // 1000:03d}"
    utc = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html(
        '<time class="ms-time" datetime="{}" title="{}" translate="no">{}</time>', at.isoformat(), utc, text
    )


@register.simple_tag
def age(since: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that is not zero."""
    if since is None:
        return "–"
    seconds = max(0, int((now - since).total_seconds()))
    if seconds < 60:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    if seconds < 3600:
        return ngettext("%(count)d minute", "%(count)d minutes", seconds // 60) % {"count": seconds // 60}
    if seconds < 2 * 86400:
        return ngettext("%(count)d hour", "%(count)d hours", seconds // 3600) % {"count": seconds // 3600}
    return ngettext("%(count)d day", "%(count)d days", seconds // 86400) % {"count": seconds // 86400}


@register.simple_tag
def label(kind: str, code: object) -> str:
    return str(label_of(kind, code))


@register.simple_tag
def badge(kind: str, code: object) -> SafeString:
    """A code as a coloured word; the tooltip has the code itself."""
    return format_html(
        '<span class="ms-badge ms-{}" title="{}">{}</span>', tone_of(kind, code), code, label_of(kind, code)
    )


@register.simple_tag
def state_badge(state: str, operation_class: str) -> SafeString:
    """A transaction's state. A question that succeeded was answered; nothing was settled by it."""
    return badge("answered" if operation_class == "READS" and state in LABELS["answered"] else "state", state)


@register.simple_tag
def copyable(text: object, short: bool = False) -> SafeString:
    """An id with a button that copies it whole; `short` shows its ends only."""
    whole = str(text or "")
    if not whole:
        return SafeString('<span class="ms-none">–</span>')
    shown = f"{whole[:8]}…{whole[-4:]}" if short and len(whole) > 16 else whole
    return format_html(
        '<span class="ms-id"><code translate="no" title="{}">{}</code>'
        '<button type="button" class="ms-copy" data-copy="{}" data-copied="{}" aria-label="{}" title="{}">'
        '<span class="material-symbols-outlined" aria-hidden="true">content_copy</span></button></span>',
        *(whole, shown, whole, gettext("Copied"), gettext("Copy"), gettext("Copy")),
    )


@register.simple_tag
def actor(by: str) -> SafeString:
    """Who did it: the platform, a program of the hospital by its key, or people by the names they sign in with."""
    kind, _, number = by.partition(":")
    if kind == "client_key":
        return format_html('{} <span translate="no">{}</span>', gettext("HIS, key"), number)
    if by in LABELS["actor"]:
        return format_html("{}", label_of("actor", by))
    return format_html('<span translate="no">{}</span>', by)


@register.filter
def reason_detail(reason_code: str) -> str:
    return reason_told(reason_code)[0]


@register.filter
def reason_fix(reason_code: str) -> str:
    return reason_told(reason_code)[1]


@register.filter
def told(word: str) -> str:
    """The words for a reason or outcome that a record names; empty for what is neither, such as a message's id."""
    return word_told(word)


@register.simple_tag
def account(code: str) -> str:
    """An account of the ledger: its name, and the payer's where it is kept per payer."""
    name, _, payer = code.partition(":")
    words = str(label_of("account", name))
    return f"{words} · {label_of('payer', payer)}" if payer else words


@register.filter
def pretty(value: object) -> str:
    """Indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2)


@register.filter
def percent(basis_points: int) -> str:
    return f"{basis_points / 100:g} %"


@register.filter
def others(line: ClaimLine) -> int:
    """What other payers than this cover bear of a claim's line, in minor units."""
    return line.basic_minor + line.other_minor + line.charity_minor


@register.filter
def insured(row: Transaction) -> int | None:
    """What does not fall on the patient or the hospital, in minor units; None while nothing is proven."""
    return None if row.cash_minor is None else (row.fund_minor or 0) + (row.account_minor or 0)
