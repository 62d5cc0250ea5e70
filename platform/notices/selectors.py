"""Readers: a person's inbox, his wishes, and the words of a notice."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from core.crypto import unseal
from notices.models import Notice, Preference
from notices.wordings import WORDINGS


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    title_zh: str
    text: str
    text_zh: str


def inbox_of(*, person_id: UUID) -> QuerySet[Notice]:
    """What this person was told, the latest first."""
    return Notice.objects.filter(person_id=person_id).order_by("-id")


def unread_count(*, person_id: UUID) -> int:
    return Notice.objects.filter(person_id=person_id, read_at__isnull=True).count()


def words_of(*, notice: Notice) -> Words:
    """The sentences for the inbox. A value that the notice lacks is shown as a dash."""
    wording = WORDINGS[notice.kind]
    values = _OrDash(notice.values)
    return Words(
        wording.title,
        wording.title_zh,
        wording.text.format_map(values),
        wording.text_zh.format_map(values),
    )


def preference_of(*, person_id: UUID) -> Preference:
    """The person's wishes, or what holds without any (not stored then)."""
    return Preference.objects.filter(pk=person_id).first() or Preference(person_id=person_id)


def email_of(*, preference: Preference) -> str:
    """The address, empty for none. Raises core.crypto.SealBroken."""
    if preference.sealed_email is None:
        return ""
    return unseal(preference.sealed_email, context=email_context(preference.person_id)).decode()


def email_context(person_id: UUID) -> str:
    return f"preference:{person_id}:email"


class _OrDash(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "—"
