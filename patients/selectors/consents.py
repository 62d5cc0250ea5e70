"""What a person has agreed to."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from core.errors import Problem
from patients.consent_texts import text_current
from patients.models import ConsentRecord
from patients.states import ConsentCode


class ConsentMissing(Problem):
    code = "consent_missing"
    status = 409
    title = "A consent is missing"
    detail = "The person has not agreed, or no longer agrees, to: {codes}."
    detail_zh = "尚未取得或已撤回以下同意：{codes}。"
    fix = "Show the texts under /consents and let the person himself or his guardian agree."
    fix_zh = "请在“同意书”中阅读并由本人或监护人确认。"


def consents_current(*, person_id: UUID) -> dict[ConsentCode, ConsentRecord]:
    """The latest record of each code, given or taken back."""
    records = ConsentRecord.objects.filter(person_id=person_id).order_by("code", "-id").distinct("code")
    return {ConsentCode(record.code): record for record in records}


def consents_require(*, person_id: UUID, codes: Iterable[ConsentCode]) -> None:
    """Raises ConsentMissing unless the current version of each text is agreed to."""
    current = consents_current(person_id=person_id)
    missing = [
        code.value
        for code in codes
        if not (
            (record := current.get(code)) is not None and record.given and record.version == text_current(code).version
        )
    ]
    if missing:
        raise ConsentMissing(extra={"consents": missing}, codes=", ".join(missing))
