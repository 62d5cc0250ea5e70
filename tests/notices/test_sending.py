"""Messages leave once: by the journal's phases, through the real doors of the demo."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import pytest
from django.core import mail
from pytest_django import Settings

from core.clock import database_now
from journal import drain
from journal.handlers import Outcome, handlers
from journal.selectors import lanes_of_group
from notices.models import Delivery
from notices.senders import NotSent
from notices.services import PreferenceDraft, notice_offer, preference_set
from notices.services.deliveries import TRIES, Sent, deliveries_arm, deliveries_conclude, sign_in_code_send
from registry.models import Person
from registry.services.persons import person_contact_set
from tests.registry.house import NOW, person_of
from tests.roles import as_role, rows

pytestmark = pytest.mark.django_db
QUIET_NEVER = PreferenceDraft(language="en", quiet_from=PreferenceDraft().quiet_until)


class HttpSms:
    """A provider of another house, asked over the network: what an installation would put in the file's place."""

    port = 0

    def send(self, *, to: str, text: str, reference: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}/{reference}", timeout=5) as answer:
            told = json.loads(answer.read())
        if told["code"] == "REFUSED":
            raise NotSent("number is not in service")
        return str(told["number"])


class Provider(BaseHTTPRequestHandler):
    seen: list[str]
    answers: list[bytes]

    def do_GET(self) -> None:
        type(self).seen.append(self.path[1:])
        answer = type(self).answers.pop(0)
        if not answer:
            self.connection.close()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the test's screen."""


@pytest.fixture
def provider(settings: Settings) -> Iterator[type[Provider]]:
    Provider.seen, Provider.answers = [], []
    server = HTTPServer(("127.0.0.1", 0), Provider)
    HttpSms.port = server.server_port
    settings.SMS_SENDER = "tests.notices.test_sending.HttpSms"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Provider
    server.shutdown()
    server.server_close()


def told(reader: Person, cause: str = "event:1") -> Delivery:
    preference_set(person_id=reader.pk, draft=QUIET_NEVER, now=NOW)
    notice = notice_offer(
        person_id=reader.pk,
        kind="claim.submitted",
        cause=cause,
        subject=cause,
        values={"claim_no": "C1"},
        now=database_now(),
        trace_id="t" * 8,
    )
    assert notice is not None
    return notice.deliveries.get(channel="SMS")


def work_off(*, later: timedelta = timedelta(0)) -> int:
    """What a worker does with the platform's lane now; returns how many messages it tried to send."""
    lane = lanes_of_group(group_code="platform").get()
    with as_role("worker"):
        turn = drain.jobs_take(free_slots={lane.pk: 50}, overdue=-later)
        outcomes = []
        for work in turn.works:
            handler = handlers()[work.job.kind]
            try:
                outcomes.append(Outcome(work, result=asyncio.run(handler.perform(work))))  # type: ignore[union-attr]
            except Exception as error:
                outcomes.append(Outcome(work, error=error))
        assert drain.outcomes_conclude(outcomes) == []
    return len(turn.works)


def fresh(delivery: Delivery) -> Delivery:
    return Delivery.objects.get(pk=delivery.pk)


def test_an_sms_leaves_once_and_says_nothing_but_that_there_is_news(reader: Person, outbox: Path) -> None:
    delivery = told(reader)
    assert work_off() == 1
    assert work_off() == 0
    (path,) = (outbox / "sms").iterdir()
    message = json.loads(path.read_text())
    assert message["to"] == "13900001111"
    assert message["text"].startswith("There is news for you.")
    assert "C1" not in message["text"]
    assert (fresh(delivery).state, fresh(delivery).provider_no) == ("SENT", str(delivery.pk))


@pytest.mark.parametrize(("url", "ends"), [("", "sign in."), ("https://claims.test", "sign in: https://claims.test")])
def test_a_message_leads_to_the_patients_site_where_it_has_an_address(
    reader: Person, outbox: Path, settings: Settings, url: str, ends: str
) -> None:
    settings.PUBLIC_URL = url
    told(reader)
    assert work_off() == 1
    (path,) = (outbox / "sms").iterdir()
    assert json.loads(path.read_text())["text"].endswith(ends)


def test_mail_leaves_with_the_same_few_words(reader: Person, outbox: Path) -> None:
    preference_set(
        person_id=reader.pk,
        draft=PreferenceDraft(sms=False, email="li@example.com", quiet_from=PreferenceDraft().quiet_until),
        now=NOW,
    )
    notice_offer(
        person_id=reader.pk,
        kind="prereview.declined",
        cause="e",
        subject="s",
        values={"claim_no": "C1"},
        now=database_now(),
        trace_id="t",
    )
    assert work_off() == 1
    (letter,) = mail.outbox
    assert letter.to == ["li@example.com"]
    assert "C1" not in f"{letter.subject} {letter.body}"
    assert "一项结果" in letter.body


def test_a_refused_number_ends_and_a_lost_answer_is_tried_again_under_the_same_reference(
    reader: Person, provider: type[Provider]
) -> None:
    delivery = told(reader)
    provider.answers += [b"", b'{"code": "OK", "number": "P-1"}', b'{"code": "REFUSED"}']
    assert work_off() == 1
    assert fresh(delivery).state == "QUEUED"
    assert work_off() == 0
    assert work_off(later=timedelta(minutes=2)) == 1
    assert provider.seen == [str(delivery.pk)] * 2
    assert (fresh(delivery).state, fresh(delivery).provider_no) == ("SENT", "P-1")
    refused = told(reader, "event:2")
    assert work_off() == 1
    assert (fresh(refused).state, fresh(refused).reason) == ("FAILED", "refused: number is not in service")


def test_a_provider_that_never_answers_ends_as_failed_and_the_inbox_still_has_it(
    reader: Person, provider: type[Provider]
) -> None:
    delivery = told(reader)
    provider.answers += [b""] * TRIES
    for turn in range(TRIES):
        assert work_off(later=timedelta(minutes=10 * turn)) == 1
    assert (fresh(delivery).state, fresh(delivery).reason) == ("FAILED", f"no answer after {TRIES} tries")
    assert rows("SELECT count(*) FROM journal_job WHERE subject_id = %s", [delivery.pk]) == [(0,)]
    assert fresh(delivery).notice is not None


def test_a_worker_that_dies_while_sending_leaves_a_guard_that_sends_again(reader: Person, outbox: Path) -> None:
    delivery = told(reader)
    lane = lanes_of_group(group_code="platform").get()
    with as_role("worker"):
        assert len(drain.jobs_take(free_slots={lane.pk: 50}, overdue=timedelta(0)).works) == 1
    assert fresh(delivery).state == "SENDING"
    assert work_off() == 0
    assert work_off(later=timedelta(minutes=3)) == 1
    assert (fresh(delivery).state, fresh(delivery).attempts) == ("SENT", 2)


def test_the_number_of_the_moment_of_sending_counts(reader: Person, outbox: Path) -> None:
    told(reader)
    person_contact_set(person_id=reader.pk, phone="13811112222", by="ou", now=NOW)
    work_off()
    (path,) = (outbox / "sms").iterdir()
    assert json.loads(path.read_text())["to"] == "13811112222"


def test_a_person_without_a_phone_is_told_inside_only(outbox: Path) -> None:
    delivery = told(person_of(phone=""))
    assert work_off() == 0
    assert (fresh(delivery).state, fresh(delivery).reason) == ("SUPPRESSED", "nowhere to send it to")


def test_a_sign_in_code_is_sealed_until_it_is_sent_and_gone_afterwards(db: None, outbox: Path) -> None:
    now = database_now()
    with as_role("app"):
        sign_in_code_send(
            phone="13900001111",
            code="482913",
            language="en",
            expires_at=now + timedelta(minutes=5),
            now=now,
            trace_id="t",
        )
        assert not Delivery.objects.exists()
    delivery = Delivery.objects.get()
    assert b"482913" not in bytes(delivery.sealed_message or b"")
    assert work_off() == 1
    assert "482913" in (outbox / "sms" / f"{delivery.pk}.json").read_text()
    assert (fresh(delivery).state, fresh(delivery).sealed_message) == ("SENT", None)


def test_a_code_that_is_no_longer_valid_is_not_sent(db: None, outbox: Path) -> None:
    now = database_now()
    delivery = sign_in_code_send(
        phone="13900001111", code="482913", language="en", expires_at=now - timedelta(seconds=1), now=now, trace_id="t"
    )
    assert work_off() == 0
    assert (fresh(delivery).state, fresh(delivery).reason) == ("SUPPRESSED", "too late to be of use")


def test_an_answer_for_what_has_ended_or_was_never_there_changes_nothing(reader: Person) -> None:
    delivery = told(reader)
    deliveries_arm(delivery_ids=[delivery.pk], now=NOW)
    deliveries_conclude(results=[Sent(delivery.pk, "1")], now=NOW)
    late = deliveries_conclude(results=[Sent(delivery.pk, error=OSError()), Sent(uuid4(), "2")], now=NOW)
    assert set(late.values()) == {None}
    assert (fresh(delivery).state, fresh(delivery).provider_no) == ("SENT", "1")
