"""Two taps at the same moment: one code, one helper, one account."""

from __future__ import annotations

import pytest

from patients.models import HelperGrant, PatientAccount
from patients.services.helpers import HelpersFull, helper_invite
from patients.services.sign_in import CodeWrong, code_request, code_sign_in
from tests.exchange.meetings import at_once
from tests.patients.house import ADDRESS, DAUGHTERS_PHONE, TRACE, UNTIL, code_of, known, make_family, request_of
from tests.registry.house import NOW

PHONE = "13900009999"


@pytest.fixture(autouse=True)
def lane(transactional_db: None) -> None:
    """The migration's lane, which other tests that commit have cleared away."""


def test_one_code_entered_twice_at_once_signs_in_once() -> None:
    code_request(phone=PHONE, language="en", address=ADDRESS, now=NOW, trace_id=TRACE)
    code = code_of(PHONE)

    def enter() -> object:
        return code_sign_in(phone=PHONE, code=code, language="en", address=ADDRESS, now=NOW)

    results = at_once(*[enter] * 4)
    assert sorted(type(result).__name__ for result in results) == [CodeWrong.__name__] * 3 + ["Standing"]
    assert PatientAccount.objects.count() == 1


def test_one_helper_invited_twice_at_once_is_invited_once() -> None:
    family = make_family()
    patient = known(family.patient)

    def invite() -> object:
        with request_of(patient):
            return helper_invite(
                standing=patient,
                person_id=family.patient.pk,
                phone=DAUGHTERS_PHONE,
                name="女儿",
                scopes=[],
                until=UNTIL,
                now=NOW,
            )

    results = at_once(*[invite] * 4)
    assert sorted(type(result).__name__ for result in results) == ["HelperGrant"] + [HelpersFull.__name__] * 3
    assert HelperGrant.objects.count() == 1
