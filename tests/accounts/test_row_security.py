"""The fences around accounts, attacked with plain SQL as the roles of real processes."""

from __future__ import annotations

import pytest
from django.db import transaction

from accounts.services import audit_write, client_key_create
from accounts.states import Scope
from core.row_security import EVERYTHING, seen_by
from tests.accounts.conftest import NOW, Cast
from tests.roles import as_role, refused, rows

TABLES_OF_AN_ORGANISATION = ("accounts_user", "accounts_clientkey", "accounts_auditentry", "core_transition")
DEFINERS = {
    "accounts_organisations_near": "bigint[]",
    "accounts_client_key_find": "TABLE(key_id bigint, organisation_id bigint, organisation_code text, digest bytea, "
    "scopes jsonb, terminal_no text, expires_at timestamp with time zone, revoked_at timestamp with time zone, "
    "organisation_suspended_at timestamp with time zone, last_used_at timestamp with time zone)",
    "accounts_client_key_used": "void",
    "accounts_sign_in_passed": "void",
    "accounts_sign_in_try": "record",
}


def keys_of_both(cast: Cast) -> None:
    for home in (cast.hospital, cast.stranger):
        client_key_create(
            organisation_id=home.pk, name="till", scopes=[Scope.TRANSACTIONS_READ], actor="platform", now=NOW
        )


@pytest.mark.parametrize("table", TABLES_OF_AN_ORGANISATION)
def test_app_sees_no_row_of_a_stranger(cast: Cast, table: str) -> None:
    keys_of_both(cast)
    with as_role("app"), seen_by([cast.hospital.pk]):
        found = {row[0] for row in rows(f"SELECT organisation_id FROM {table}")}
    assert found <= {cast.hospital.pk}
    assert found or table == "core_transition"


@pytest.mark.parametrize("table", [*TABLES_OF_AN_ORGANISATION, "accounts_organisation"])
def test_app_sees_nothing_before_an_organisation_is_known(cast: Cast, table: str) -> None:
    keys_of_both(cast)
    condition = "WHERE kind <> 'insurer'" if table == "accounts_organisation" else ""
    with as_role("app"):
        assert rows(f"SELECT * FROM {table} {condition}") == []


@pytest.mark.parametrize("setting", ["", "x", "1;2", "*,1", "1 OR 1=1", "-1", " *"])
def test_app_sees_nothing_with_a_broken_setting(cast: Cast, setting: str) -> None:
    with as_role("app"), transaction.atomic():
        rows("SELECT set_config('medisettle.organisations', %s, true)", [setting])
        assert rows("SELECT * FROM accounts_user") == []


def test_an_organisation_sees_itself_its_chain_its_shops_and_the_insurers(cast: Cast) -> None:
    def seen_codes(organisation_id: int) -> set[str]:
        with as_role("app"), seen_by([organisation_id]):
            return {row[0] for row in rows("SELECT code FROM accounts_organisation")}

    assert seen_codes(cast.hospital.pk) == {"HOSP-A", "INS-A"}
    assert seen_codes(cast.chain.pk) == {"CHAIN-A", "SHOP-A1", "INS-A"}
    assert seen_codes(cast.shop.pk) == {"CHAIN-A", "SHOP-A1", "INS-A"}


def test_the_platform_sees_all(cast: Cast) -> None:
    with as_role("app"), seen_by(EVERYTHING):
        assert len(rows("SELECT id FROM accounts_organisation")) == 6


@pytest.mark.parametrize("kind", ["hospital", "insurer"])
def test_no_organisation_makes_or_changes_an_organisation(cast: Cast, kind: str) -> None:
    with as_role("app"), seen_by([cast.hospital.pk]):
        with refused("row-level security"):
            rows(
                "INSERT INTO accounts_organisation (code, kind, name, name_zh, parent_id, time_zone, created_at) "
                "VALUES ('NEW', %s, '', '', %s, 'UTC', now())",
                [kind, cast.hospital.pk],
            )
        rows("UPDATE accounts_organisation SET name = 'ours now' WHERE kind = %s", [kind])
    assert rows("SELECT count(*) FROM accounts_organisation WHERE name = 'ours now'") == [(0,)]


def test_app_cannot_add_or_move_a_user_to_a_stranger(cast: Cast) -> None:
    with as_role("app"), seen_by([cast.hospital.pk]):
        with refused("row-level security"):
            rows(
                "INSERT INTO accounts_user (password, username, display_name, organisation_id, roles, language, "
                "is_active, created_at) VALUES ('', 'spy', '', %s, '[]', '', true, now())",
                [cast.stranger.pk],
            )
        with refused("row-level security"):
            rows("UPDATE accounts_user SET organisation_id = %s", [cast.stranger.pk])
        rows("UPDATE accounts_user SET is_active = false WHERE username = 'zhou'")
    assert rows("SELECT is_active FROM accounts_user WHERE username = 'zhou'") == [(True,)]


def test_app_cannot_add_a_key_for_a_stranger(cast: Cast) -> None:
    with as_role("app"), seen_by([cast.hospital.pk]), refused("row-level security"):
        client_key_create(organisation_id=cast.stranger.pk, name="spy", scopes=[], actor="spy", now=NOW)


def test_app_cannot_write_an_act_of_a_stranger(cast: Cast) -> None:
    with as_role("app"), seen_by([cast.hospital.pk]), refused("row-level security"):
        audit_write(actor="spy", organisation_id=cast.stranger.pk, action="export.made", subject="", now=NOW)


def test_an_act_of_nobody_can_be_written_and_not_read_back(cast: Cast) -> None:
    with as_role("app"), seen_by([cast.hospital.pk]):
        audit_write(actor="nobody", organisation_id=0, action="user.sign_in_failed", subject="", now=NOW)
        assert rows("SELECT * FROM accounts_auditentry WHERE organisation_id = 0") == []


@pytest.mark.parametrize("role", ["app", "worker"])
@pytest.mark.parametrize("table", ["accounts_auditentry", "accounts_auditseal", "core_transition"])
@pytest.mark.parametrize("act", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}"])
def test_nobody_rewrites_history(cast: Cast, role: str, table: str, act: str) -> None:
    with as_role(role), seen_by(EVERYTHING), refused("permission denied"):  # type: ignore[arg-type]
        rows(act.format(table))


@pytest.mark.parametrize("act", ["UPDATE {} SET actor = 'x'", "DELETE FROM {}"])
def test_not_even_the_owner_rewrites_the_audit_trail(cast: Cast, act: str) -> None:
    with refused("append-only"):
        rows(act.format("accounts_auditentry"))


@pytest.mark.parametrize("role", ["app", "worker"])
def test_nobody_chooses_the_database_transaction_of_an_act(cast: Cast, role: str) -> None:
    columns = "organisation_id, at, actor, action, subject, details, trace_id, written_in"
    with as_role(role), seen_by(EVERYTHING), refused("permission denied"):  # type: ignore[arg-type]
        rows(f"INSERT INTO accounts_auditentry ({columns}) VALUES (0, now(), '', '', '', '{{}}', '', 1)")


@pytest.mark.parametrize("statement", ["SELECT * FROM {}", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["accounts_auditseal", "accounts_signintries"])
def test_app_reaches_neither_seals_nor_tries(cast: Cast, table: str, statement: str) -> None:
    with as_role("app"), seen_by(EVERYTHING), refused("permission denied"):
        rows(statement.format(table))


def test_app_cannot_read_the_key_of_the_seal(cast: Cast) -> None:
    insert = (
        "INSERT INTO core_datakey (organisation_id, scope, master_key_id, wrapped, created_at) "
        "VALUES (0, 'audit-seal', 'x', '', now())"
    )
    rows(insert)
    with as_role("app"), seen_by(EVERYTHING):
        assert rows("SELECT * FROM core_datakey WHERE scope = 'audit-seal'") == []
        with refused("row-level security"):
            rows(insert)


def test_functions_that_run_before_anybody_is_known_give_what_is_named_and_no_more(cast: Cast) -> None:
    person = (
        "TABLE(id bigint, password text, username text, display_name text, organisation_id bigint, roles jsonb, "
        "language text, is_active boolean, created_at timestamp with time zone, organisation_kind text, "
        "organisation_suspended_at timestamp with time zone, sees bigint[])"
    )
    expected = DEFINERS | {"accounts_user_for_session": person, "accounts_user_for_sign_in": person}
    found = rows(
        "SELECT proname, pg_get_function_result(oid), pg_get_userbyid(proowner), proconfig, "
        "has_function_privilege('public', oid, 'execute'), has_function_privilege('medisettle_app', oid, 'execute') "
        "FROM pg_proc WHERE prosecdef AND proname LIKE 'accounts\\_%'"
    )
    assert {row[0]: row[1] for row in found} == expected
    for name, _, owner, settings, everybody, app in found:
        assert (owner, settings) == ("medisettle_worker", ["search_path=pg_catalog, public, pg_temp"]), name
        assert (everybody, app) == (False, True), name


def test_a_temporary_table_of_app_is_not_taken_for_ours(cast: Cast) -> None:
    with as_role("app"):
        rows("CREATE TEMPORARY TABLE accounts_user AS SELECT 1 AS id")
        rows("GRANT ALL ON accounts_user TO PUBLIC")
        assert rows("SELECT username FROM accounts_user_for_sign_in('chen')") == [("chen",)]
        rows("DROP TABLE pg_temp.accounts_user")


def test_worker_may_not_create_in_the_schema(cast: Cast) -> None:
    with as_role("worker"), refused("permission denied for schema"):
        rows("CREATE TABLE mine (id int)")


def test_no_role_passes_row_security_by(cast: Cast) -> None:
    found = rows(
        "SELECT rolname FROM pg_roles WHERE (rolbypassrls OR rolsuper) "
        "AND rolname IN ('medisettle_owner', 'medisettle_app', 'medisettle_worker')"
    )
    assert found == []


def test_app_keeps_sessions_and_reads_content_types(cast: Cast) -> None:
    with as_role("app"):
        rows("INSERT INTO django_session VALUES ('k', 'data', now())")
        rows("UPDATE django_session SET session_data = 'more'")
        rows("DELETE FROM django_session")
        assert rows("SELECT * FROM django_content_type")
