"""How a person wishes to be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from core.errors import Problem
from notices.models import QUIET_FROM, QUIET_UNTIL, Preference
from notices.selectors import email_context
from notices.states import Category
from registry.services.persons import person_seal


class PreferenceInvalid(Problem):
    code = "preference_invalid"
    status = 422
    title = "These wishes cannot be kept"
    detail = "{field}: {explanation}"
    detail_zh = "设置无效，{field}：{explanation_zh}"
    fix = "Correct that field; your former wishes still hold."
    fix_zh = "请更正该项；原设置保持不变。"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceDraft:
    """`email` is the address to write to, empty for none; `muted` are codes of Category not to be told outside."""

    language: str = "zh-hans"
    sms: bool = True
    email: str = ""
    muted: Sequence[str] = ()
    quiet_from: time = QUIET_FROM
    quiet_until: time = QUIET_UNTIL


@transaction.atomic
def preference_set(*, person_id: UUID, draft: PreferenceDraft, now: datetime) -> Preference:
    """Keep the person's wishes in place of the former ones. Raises PreferenceInvalid."""
    if draft.language not in ("en", "zh-hans"):
        raise PreferenceInvalid(field="language", explanation="not en or zh-hans", explanation_zh="须为 en 或 zh-hans")
    if not set(draft.muted) <= set(Category.values) - {Category.ACCESS}:
        raise PreferenceInvalid(
            field="muted", explanation="a kind that is not known or always told", explanation_zh="类别未知或不可关闭"
        )
    email = draft.email.strip()
    if email:
        try:
            validate_email(email)
        except ValidationError:
            raise PreferenceInvalid(
                field="email", explanation="not an address", explanation_zh="不是邮箱地址"
            ) from None
    sealed = (
        person_seal(email.encode(), person_id=person_id, context=email_context(person_id), now=now) if email else None
    )
    preference, _ = Preference.objects.update_or_create(
        person_id=person_id,
        defaults={
            "language": draft.language,
            "sms": draft.sms,
            "email": bool(email),
            "sealed_email": sealed,
            "muted": sorted(set(draft.muted)),
            "quiet_from": draft.quiet_from,
            "quiet_until": draft.quiet_until,
            "changed_at": now,
        },
    )
    return preference
