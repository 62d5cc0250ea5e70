"""The inbox: told once, to the reader alone, whatever else he wishes outside."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from core.errors import NotFound
from core.row_security import persons_see
from notices.models import Delivery, Notice, Preference
from notices.selectors import email_of, inbox_of, preference_of, unread_count, words_of
from notices.services import PreferenceDraft, notice_offer, notice_read, notices_read_all, preference_set
from notices.services.notices import WordingUnknown
from notices.services.preferences import PreferenceInvalid
from notices.states import Category, DeliveryState
from registry.models import Person
from registry.services.lives import person_death_record
from tests.registry.house import NOW, TODAY
from tests.roles import as_role, refused, rows

pytestmark = pytest.mark.django_db


def offer(reader: Person, cause: str = "event:1", *, now: datetime = NOW, **changes: Any) -> Notice | None:
    values: dict[str, Any] = {
        "kind": "materials.requested",
        "subject": "claim:1",
        "values": {"claim_no": "C261125-ABCDEFG", "answer_by": "2026-12-25"},
    }
    return notice_offer(person_id=reader.pk, cause=cause, now=now, trace_id="t" * 8, **(values | changes))


def offered(reader: Person, cause: str = "event:1", **changes: Any) -> Notice:
    notice = offer(reader, cause, **changes)
    assert notice is not None
    return notice


def jobs_of(delivery: Delivery) -> list[tuple[Any, ...]]:
    return rows("SELECT kind, run_at FROM journal_job WHERE subject_id = %s", [delivery.pk])


def test_a_notice_stands_in_the_inbox_and_leaves_by_sms(reader: Person) -> None:
    notice = offered(reader)
    words = words_of(notice=notice)
    assert "C261125-ABCDEFG" in words.text
    assert "2026-12-25" in words.text_zh
    (delivery,) = notice.deliveries.all()
    assert (delivery.channel, delivery.state) == ("SMS", DeliveryState.QUEUED)
    assert jobs_of(delivery) == [("notices.send", NOW)]


def test_the_same_cause_is_told_once(reader: Person) -> None:
    offered(reader)
    assert offer(reader) is None
    assert inbox_of(person_id=reader.pk).count() == 1


def test_two_persons_are_told_of_one_cause(reader: Person, stranger: Person) -> None:
    assert offered(reader).cause == offered(stranger).cause


def test_the_same_about_the_same_thing_within_minutes_stays_inside(reader: Person) -> None:
    offered(reader, "event:1")
    second = offered(reader, "event:2", now=NOW + timedelta(minutes=9))
    assert [(one.state, one.reason) for one in second.deliveries.all()] == [("SUPPRESSED", "said a moment ago")]
    assert jobs_of(second.deliveries.get()) == []
    third = offered(reader, "event:3", now=NOW + timedelta(minutes=20))
    other = offered(reader, "event:4", now=NOW + timedelta(minutes=9), subject="claim:2")
    assert {one.deliveries.get().state for one in (third, other)} == {DeliveryState.QUEUED}


def test_at_night_a_message_waits_for_the_morning(reader: Person) -> None:
    midnight = datetime.fromisoformat("2026-11-25T00:10:00+08:00")
    delivery = offered(reader, now=midnight).deliveries.get()
    assert jobs_of(delivery) == [("notices.send", datetime.fromisoformat("2026-11-25T08:00:00+08:00"))]


def test_who_mutes_a_kind_finds_it_in_the_inbox_only(reader: Person) -> None:
    preference_set(person_id=reader.pk, draft=PreferenceDraft(muted=["ACTION"]), now=NOW)
    assert offered(reader).deliveries.count() == 0
    assert offered(reader, "event:2", kind="claim.submitted", values={}).deliveries.count() == 1


def test_who_may_act_for_him_is_always_told(reader: Person) -> None:
    preference_set(
        person_id=reader.pk, draft=PreferenceDraft(muted=["ACTION", "DECISION", "PROGRESS"], sms=True), now=NOW
    )
    assert offered(reader, kind="helper.ended", values={}).deliveries.count() == 1
    with pytest.raises(PreferenceInvalid, match="always told"):
        preference_set(person_id=reader.pk, draft=PreferenceDraft(muted=[Category.ACCESS]), now=NOW)


def test_without_any_channel_the_inbox_still_has_it(reader: Person) -> None:
    preference_set(person_id=reader.pk, draft=PreferenceDraft(sms=False), now=NOW)
    assert offered(reader).deliveries.count() == 0
    assert unread_count(person_id=reader.pk) == 1


def test_mail_goes_out_beside_sms_and_its_address_is_sealed(reader: Person) -> None:
    kept = preference_set(person_id=reader.pk, draft=PreferenceDraft(email="li@example.com"), now=NOW)
    assert b"li@example" not in bytes(kept.sealed_email or b"")
    assert email_of(preference=preference_of(person_id=reader.pk)) == "li@example.com"
    assert sorted(one.channel for one in offered(reader).deliveries.all()) == ["EMAIL", "SMS"]


@pytest.mark.parametrize(
    "wish", [{"email": "nobody"}, {"language": "fr"}, {"muted": ["EVERYTHING"]}, {"email": "a@b\nBcc: c@d"}]
)
def test_senseless_wishes_are_refused_and_the_former_hold(reader: Person, wish: dict[str, Any]) -> None:
    preference_set(person_id=reader.pk, draft=PreferenceDraft(language="en"), now=NOW)
    with pytest.raises(PreferenceInvalid):
        preference_set(person_id=reader.pk, draft=PreferenceDraft(**wish), now=NOW)
    assert Preference.objects.get(pk=reader.pk).language == "en"


def test_after_death_messages_stop(reader: Person) -> None:
    person_death_record(person_id=reader.pk, died_on=TODAY, evidence="register 7", by="ou", now=NOW, trace_id="t" * 8)
    assert offer(reader) is None


def test_a_wording_that_does_not_exist_or_a_value_nobody_may_name_is_our_fault(reader: Person) -> None:
    with pytest.raises(WordingUnknown):
        offer(reader, kind="claim.exploded")
    with pytest.raises(WordingUnknown, match="drug"):
        offer(reader, values={"drug": "TRAST-440"})


def test_a_notice_is_read_once(reader: Person) -> None:
    notice = offered(reader)
    assert notice_read(notice_id=notice.pk, person_id=reader.pk, now=NOW).read_at == NOW
    again = notice_read(notice_id=notice.pk, person_id=reader.pk, now=NOW + timedelta(hours=1))
    assert again.read_at == NOW
    assert notices_read_all(person_id=reader.pk, now=NOW) == 0


def test_a_stranger_reads_no_notice(reader: Person, stranger: Person) -> None:
    notice = offered(reader)
    with pytest.raises(NotFound):
        notice_read(notice_id=notice.pk, person_id=stranger.pk, now=NOW)
    preference_set(person_id=reader.pk, draft=PreferenceDraft(), now=NOW)
    with as_role("app"), transaction.atomic():
        persons_see([stranger.pk])
        assert not Notice.objects.exists()
        assert not Delivery.objects.exists()
        assert not Preference.objects.exists()
        persons_see([reader.pk])
        assert Notice.objects.get().deliveries.count() == 1
        assert Preference.objects.count() == 1


def test_a_patients_request_offers_a_notice_to_himself_and_nobody_else(reader: Person, stranger: Person) -> None:
    with as_role("app"), transaction.atomic():
        persons_see([reader.pk])
        offered(reader)
        assert offer(stranger) is None
        with refused("row-level security"):
            Notice.objects.create(
                id=stranger.pk, person_id=stranger.pk, kind="claim.closed", cause="x", subject="y", created_at=NOW
            )


def test_what_was_told_is_neither_changed_nor_forgotten(reader: Person) -> None:
    notice = offered(reader)
    with refused("does not change"):
        Notice.objects.filter(pk=notice.pk).update(kind="claim.closed")
    with refused("never deleted"):
        rows("DELETE FROM notices_notice WHERE id = %s", [notice.pk])
