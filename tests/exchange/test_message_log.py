"""The middleware log over transactions that were really settled, read as role app."""

from __future__ import annotations

from datetime import timedelta

from core.clock import database_now
from core.crypto import ring
from core.row_security import EVERYTHING, seen_by
from exchange.models import Transaction
from exchange.selectors.messages import MessageQuery, message_path, messages_find
from tests.roles import as_role, rows
from tests.world import CREDENTIAL, ID_NO, NAME, PHONE, World, settled_world

__all__ = ["settled_world"]
EVERYONE = {"A-SETTLED", "A-SHARED", "A-REFUSED", "A-TRIAL", "A-DOUBT", "A-UNSENT"}


def found(world: World, *, organisations: object = None, **wanted: object) -> set[str]:
    """HIS numbers of the messages that the hospital finds."""
    seen = [world.hospital.pk] if organisations is None else organisations
    query = MessageQuery(**wanted)  # type: ignore[arg-type]
    with as_role("app"), seen_by([world.hospital.pk]):
        calls = messages_find(organisations=seen, query=query, now=database_now())  # type: ignore[arg-type]
        return {call.transaction.his_no for call in calls}


def test_it_finds_messages_by_each_of_their_columns(settled_world: World) -> None:
    world = settled_world
    answer, now = world.answer("A-SHARED"), database_now()
    trace_id = rows("SELECT trace_id FROM exchange_transaction WHERE his_no = 'A-REFUSED'")[0][0]
    assert found(world) == EVERYONE
    assert found(world, msgid=answer["insurer"]["msgid"]) == {"A-SHARED"}
    assert found(world, his_no="A-DOUBT") == {"A-DOUBT"}
    assert found(world, trace_id=trace_id) == {"A-REFUSED"}
    assert found(world, insurer="SANDBOX-A") == EVERYONE
    assert found(world, insurer="SANDBOX-B") == set()
    assert found(world, kind="PRESETTLE") == {"A-TRIAL"}
    assert found(world, outcome="REFUSED") == {"A-REFUSED"}
    assert found(world, outcome="UNKNOWN") == {"A-DOUBT"}
    assert found(world, outcome="none") == set()
    assert found(world, since=now - timedelta(minutes=5), until=now + timedelta(minutes=5)) == EVERYONE
    assert found(world, until=now - timedelta(minutes=5)) == set()
    assert found(world, kind="SETTLE", outcome="DONE", insurer="SANDBOX-A") == {"A-SETTLED", "A-SHARED"}


def test_it_finds_a_person_by_the_blind_index_alone(settled_world: World) -> None:
    person = {"id_type": "01", "id_no": " 110101199001019004 "}
    assert found(settled_world, person=person) == {"A-SHARED"}
    assert found(settled_world, person={"id_no": "999999199001019999"}) == set()


def test_a_stranger_finds_nothing_by_either_fence(settled_world: World) -> None:
    world = settled_world
    theirs = world.answer("B-SETTLED")["insurer"]["msgid"]
    assert found(world, msgid=theirs) == set()
    # Row-level security alone: the selector is told that everything may be seen.
    assert found(world, organisations=EVERYTHING) == EVERYONE
    # The selector alone: the tests' own role passes row-level security by.
    calls = messages_find(organisations=[world.hospital.pk], query=MessageQuery(), now=database_now())
    assert {call.transaction.his_no for call in calls} == EVERYONE


def test_the_path_shows_both_directions_with_everything_personal_hidden(settled_world: World) -> None:
    world = settled_world
    row = Transaction.objects.get(his_no="A-SETTLED")
    with as_role("app"), seen_by([world.hospital.pk]):
        path = message_path(transaction=row, organisations=[world.hospital.pk])
    (message,) = path.messages
    assert (message.kind, message.outcome, message.http_status) == ("SETTLE", "DONE", 200)
    assert message.armed_at <= message.send_before <= message.not_after
    assert message.request.headers["X-MS-Message-Id"] == message.msgid
    assert message.answer is not None
    assert message.answer.headers["X-MS-Signature"]
    assert '"settlement_no": "SANDBOX-A-' in message.answer.body
    assert "检查费" in path.wish.body
    shown = str(path)
    for secret in (ID_NO, NAME, PHONE, CREDENTIAL, "李四光"):
        assert secret not in shown
    assert message.as_dict()["request"]["headers"]["X-MS-Sender"] == "MEDISETTLE"


def test_a_broken_answer_is_shown_without_the_person_in_it(settled_world: World) -> None:
    row = Transaction.objects.get(his_no="A-DOUBT")
    (message,) = message_path(transaction=row, organisations=EVERYTHING).messages
    assert message.outcome_reason.startswith("answer_not_trusted")
    assert message.answer is not None
    assert message.msgid in message.answer.body
    assert ID_NO not in message.answer.body


def test_messages_whose_key_is_destroyed_say_so(settled_world: World) -> None:
    row = Transaction.objects.get(his_no="A-SETTLED")
    rows("DELETE FROM core_datakey WHERE scope LIKE 'exchange:%'")
    ring.forget()
    path = message_path(transaction=row, organisations=EVERYTHING)
    assert path.wish.sealed_away
    assert path.messages[0].request.sealed_away
    assert path.messages[0].request.body == ""
