"""State machines: the versioned write of many rows, and the triggers that hold against plain SQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from core.ids import uuid7
from core.models import Transition
from core.row_security import EVERYTHING, seen_by
from core.transitions import RowMoved, StatefulRow, write_many
from tests.roles import as_role, refused, rows

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class Parcel(StatefulRow):
    """A table of the tests' own: NEW > SENT > DONE, or NEW > LOST."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.BigIntegerField(default=3)
    state = models.TextField(default="NEW")
    note = models.TextField(default="")
    details = models.JSONField(null=True)
    objects: ClassVar[models.Manager[Parcel]] = models.Manager()

    class Meta:
        app_label = "core"
        db_table = "test_parcel"


@pytest.fixture
def parcels(db: None) -> list[Parcel]:
    with connection.schema_editor(atomic=False) as editor:
        editor.create_model(Parcel)
    rows("SELECT core_state_machine('test_parcel', 'NEW>SENT,NEW>LOST,SENT>DONE', 'NEW')")
    rows("GRANT SELECT, INSERT, UPDATE ON test_parcel TO medisettle_worker, medisettle_app")
    made = [Parcel(id=uuid7(NOW), state_at=NOW, state_by="desk", trace_id="trace-1") for _ in range(3)]
    return list(Parcel.objects.bulk_create(made))


def move(parcel: Parcel, state: str) -> Parcel:
    parcel.state = state
    parcel.moved(now=NOW, by="courier", reason="collected")
    return parcel


def history(parcel_id: UUID) -> list[Any]:
    return list(
        Transition.objects.filter(entity="test_parcel", entity_id=str(parcel_id))
        .order_by("version")
        .values_list("from_state", "to_state", "version", "by", "reason", "trace_id", "organisation_id")
    )


def test_many_rows_move_in_one_statement_and_each_leaves_its_history(parcels: list[Parcel]) -> None:
    with as_role("worker"), CaptureQueriesContext(connection) as queries:
        write_many([move(parcel, "SENT") for parcel in parcels], fields=["state"])
    assert len(queries) == 1
    for parcel in parcels:
        assert history(parcel.id) == [("NEW", "SENT", 1, "courier", "collected", "trace-1", 3)]
        assert parcel.version == 1


def test_rows_that_were_written_can_be_written_again(parcels: list[Parcel]) -> None:
    write_many([move(parcels[0], "SENT")], fields=["state"])
    write_many([move(parcels[0], "DONE")], fields=["state"])
    assert [entry[:3] for entry in history(parcels[0].id)] == [("NEW", "SENT", 1), ("SENT", "DONE", 2)]


def test_only_the_named_fields_are_written_whatever_their_kind(parcels: list[Parcel]) -> None:
    parcels[0].note, parcels[0].details = "not this", {"a": [1, "二"]}
    parcels[1].details = None
    write_many([move(parcel, "SENT") for parcel in parcels], fields=["state", "details"])
    fresh = Parcel.objects.get(pk=parcels[0].pk)
    assert (fresh.note, fresh.details) == ("", {"a": [1, "二"]})
    assert Parcel.objects.get(pk=parcels[1].pk).details is None


def test_a_row_that_somebody_else_moved_is_named(parcels: list[Parcel]) -> None:
    rows("UPDATE test_parcel SET state = 'LOST', version = 1 WHERE id = %s", [parcels[1].pk])
    with pytest.raises(RowMoved) as error:
        write_many([move(parcel, "SENT") for parcel in parcels], fields=["state"])
    assert error.value.ids == [parcels[1].pk]


def test_no_rows_make_no_statement() -> None:
    write_many([], fields=["state"])


ALLOWED = {("NEW", "SENT"), ("NEW", "LOST"), ("SENT", "DONE")}
STATES = ("NEW", "SENT", "DONE", "LOST")


@pytest.mark.parametrize("after", STATES)
@pytest.mark.parametrize("before", STATES)
def test_plain_sql_moves_only_along_the_graph(parcels: list[Parcel], before: str, after: str) -> None:
    rows("ALTER TABLE test_parcel DISABLE TRIGGER USER")
    rows("UPDATE test_parcel SET state = %s", [before])
    rows("ALTER TABLE test_parcel ENABLE TRIGGER USER")
    statement = "UPDATE test_parcel SET version = version + 1, state = %s"
    if before == after or (before, after) in ALLOWED:
        rows(statement, [after])
    else:
        with refused(f"may not go from {before} to {after}"):
            rows(statement, [after])


@pytest.mark.parametrize("version", ["version", "version + 2", "0", "version - 1 + 0"])
@pytest.mark.parametrize("column", ["state = 'SENT'", "note = 'quietly'"])
def test_no_write_passes_without_the_next_version(parcels: list[Parcel], version: str, column: str) -> None:
    with refused("changed by somebody else|out of range"):
        rows(f"UPDATE test_parcel SET {column}, version = {version}")


@pytest.mark.parametrize("state", ["SENT", "DONE", "NONSENSE", ""])
def test_no_row_is_born_in_another_state(parcels: list[Parcel], state: str) -> None:
    with refused("cannot begin as"):
        Parcel.objects.create(id=uuid7(NOW), state=state, state_at=NOW, state_by="x", trace_id="t")


@pytest.mark.parametrize("role", ["app", "worker"])
def test_history_is_written_by_the_trigger_alone(parcels: list[Parcel], role: str) -> None:
    with as_role(role), seen_by(EVERYTHING), refused("permission denied"):  # type: ignore[arg-type]
        rows(
            "INSERT INTO core_transition (entity, entity_id, organisation_id, from_state, to_state, version, at, by, "
            "reason, trace_id) VALUES ('x', 'x', 1, 'A', 'B', 1, now(), 'x', '', '')"
        )


def test_app_writes_history_through_the_trigger_only_of_what_it_moved(parcels: list[Parcel]) -> None:
    with as_role("app"):
        write_many([move(parcels[0], "SENT")], fields=["state"])
        assert history(parcels[0].id) == []
    assert len(history(parcels[0].id)) == 1


@pytest.mark.parametrize("role", ["app", "worker"])
def test_nobody_hangs_the_history_trigger_on_a_table_of_his_own(parcels: list[Parcel], role: str) -> None:
    with as_role(role), refused("permission denied for function core_state_log"):  # type: ignore[arg-type]
        rows("CREATE TEMPORARY TABLE forged (LIKE test_parcel)")
        rows("CREATE TRIGGER t AFTER UPDATE ON forged FOR EACH ROW EXECUTE FUNCTION core_state_log()")


def test_a_temporary_table_does_not_swallow_the_history(parcels: list[Parcel]) -> None:
    with as_role("worker"):
        rows("CREATE TEMPORARY TABLE core_transition (LIKE public.core_transition)")
        rows("GRANT ALL ON pg_temp.core_transition TO PUBLIC")
        write_many([move(parcels[0], "SENT")], fields=["state"])
        rows("DROP TABLE pg_temp.core_transition")
    assert len(history(parcels[0].id)) == 1


@pytest.mark.parametrize("act", ["UPDATE core_transition SET reason = 'x'", "DELETE FROM core_transition"])
def test_not_even_the_owner_rewrites_history(parcels: list[Parcel], act: str) -> None:
    write_many([move(parcels[0], "SENT")], fields=["state"])
    with refused("append-only"):
        rows(act)


def test_truncating_history_is_refused(db: None) -> None:
    rows("ALTER TABLE core_transition ENABLE TRIGGER append_only_whole")
    with refused("append-only"):
        rows("TRUNCATE core_transition")
