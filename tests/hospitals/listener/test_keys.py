"""Who may ask: keys, scopes, suspended organisations, strangers. And the Idempotency-Key as a header."""

from __future__ import annotations

import hashlib
import json
import secrets
import string
from collections.abc import Iterator

import pytest

from tests.hospitals.listener.checks import check_problem, nothing_written, raw_request, talk
from tests.live import Answer, LiveStack

READ, WRITE = "transactions:read", "transactions:write"


def new_key(
    stack: LiveStack, *scopes: str, hospital: str = "HOSP-A", expires: str | None = None, revoked: str | None = None
) -> str:
    """A key stored the way it is at rest: by prefix and digest. `expires` and `revoked` are offsets from now."""
    prefix = "".join(secrets.choice(string.ascii_lowercase) for _ in range(12))
    plain = f"ms_{prefix}_{secrets.token_urlsafe(32)}"
    stack.rows(
        "INSERT INTO accounts_clientkey "
        "(organisation_id, name, prefix, digest, scopes, terminal_no, created_at, expires_at, revoked_at) "
        "SELECT id, 'test', %s, %s, %s, '', now(), now() + %s::interval, now() + %s::interval "
        "FROM accounts_organisation WHERE code = %s",
        [prefix, hashlib.sha256(plain.encode()).digest(), json.dumps(scopes), expires, revoked, hospital],
    )
    return plain


def asks(stack: LiveStack, authorization: str) -> Answer:
    return stack.ask("GET", "transactions/A", headers={"Authorization": authorization})


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "key_missing"),
        ("Bearer", "key_missing"),
        ("Bearer ", "key_missing"),
        ("Basic dXNlcjpwYXNz", "key_missing"),
        ("Bearer a b", "key_missing"),
        ("Bearer x", "key_unknown"),
        ("Bearer ms_aaaaaaaaaaaa_" + "A" * 43, "key_unknown"),
        ("Bearer " + "A" * 8000, "key_unknown"),
        ("Bearer ms_%00aaaaaaaaaaa_" + "A" * 43, "key_unknown"),
    ],
)
def test_it_answers_nobody_without_a_key(stack: LiveStack, authorization: str, code: str) -> None:
    check_problem(asks(stack, authorization), 401, code)
    with nothing_written(stack):
        check_problem(stack.post(stack.wish(), headers={"Authorization": authorization}), 401, code)


def test_a_request_without_the_header_is_told_so(stack: LiveStack) -> None:
    answer = talk(
        stack, raw_request(stack, method="GET", path="transactions/A", authorization=None, connection="close")
    )
    assert b" 401 " in answer
    assert b"key_missing" in answer


def test_the_right_prefix_with_a_wrong_secret_is_as_unknown(stack: LiveStack) -> None:
    key = stack.client_keys["HOSP-A"]
    check_problem(asks(stack, f"Bearer {key[:-1]}{'A' if key[-1] != 'A' else 'B'}"), 401, "key_unknown")


def test_a_revoked_key_is_refused(stack: LiveStack) -> None:
    check_problem(asks(stack, f"Bearer {new_key(stack, READ, revoked='-1 second')}"), 401, "key_revoked")


def test_an_expired_key_is_refused(stack: LiveStack) -> None:
    check_problem(asks(stack, f"Bearer {new_key(stack, READ, expires='-1 second')}"), 401, "key_expired")


@pytest.fixture
def suspended(stack: LiveStack) -> Iterator[str]:
    """HOSP-B, suspended for the time of a test; a new key, as known ones are remembered for some seconds."""
    change = "UPDATE accounts_organisation SET suspended_at = {} WHERE code = 'HOSP-B'"
    stack.rows(change.format("now()"))
    yield new_key(stack, READ, WRITE, hospital="HOSP-B")
    stack.rows(change.format("NULL"))


def test_a_suspended_organisation_is_refused(stack: LiveStack, suspended: str) -> None:
    headers = {"Authorization": f"Bearer {suspended}"}
    check_problem(stack.ask("GET", "transactions/A", headers=headers), 403, "organisation_suspended")
    with nothing_written(stack):
        check_problem(stack.post(stack.wish(), headers=headers), 403, "organisation_suspended")


def test_a_key_that_may_read_cannot_move_money(stack: LiveStack) -> None:
    headers = {"Authorization": f"Bearer {new_key(stack, READ)}"}
    with nothing_written(stack):
        check_problem(stack.post(stack.wish(), headers=headers), 403, "forbidden")
    check_problem(stack.ask("GET", "transactions/A", headers=headers), 404, "not_found")


def test_a_key_that_may_write_cannot_read(stack: LiveStack) -> None:
    headers = {"Authorization": f"Bearer {new_key(stack, WRITE)}"}
    check_problem(stack.ask("GET", "transactions/A", headers=headers), 403, "forbidden")


def test_a_stranger_does_not_learn_that_a_transaction_exists(stack: LiveStack) -> None:
    wish = stack.wish()
    assert stack.post(wish).verdict == "succeeded"
    theirs, nothing = stack.get(wish["his_no"], hospital="HOSP-B"), stack.get("NOT-THERE", hospital="HOSP-B")
    check_problem(theirs, 404, "not_found")
    check_problem(nothing, 404, "not_found")
    assert theirs.body["detail"].replace(wish["his_no"], "NOT-THERE") == nothing.body["detail"]


def test_a_strangers_equal_his_no_and_key_are_his_own(stack: LiveStack) -> None:
    wish = stack.wish()
    ours = stack.post(wish, key="shared-key")
    theirs = stack.post(
        wish | {"total_minor": 500, "items": [{**wish["items"][0], "amount_minor": 500}]},
        key="shared-key",
        hospital="HOSP-B",
    )
    assert (ours.verdict, theirs.verdict) == ("succeeded", "succeeded")
    assert ours.body["id"] != theirs.body["id"]
    assert "idempotent-replayed" not in theirs.headers
    assert stack.get(wish["his_no"]).body["amounts"]["total_minor"] == 10000
    assert stack.get(wish["his_no"], hospital="HOSP-B").body["amounts"]["total_minor"] == 500


def test_a_strangers_open_bill_is_not_in_our_way(stack: LiveStack) -> None:
    stack.latency("SANDBOX-A", 1.0)
    first = stack.wish(wait_seconds=0)
    stack.post(first, hospital="HOSP-B")
    assert stack.post(stack.wish(visit=first["visit"])).verdict == "succeeded"


@pytest.mark.parametrize("key", [None, "", " ", "a b", "x" * 256, "schlüssel", "钥匙", "a\tb"])
def test_it_wants_a_plain_idempotency_key(stack: LiveStack, key: str | None) -> None:
    body = json.dumps(stack.wish()).encode()
    with nothing_written(stack):
        answer = talk(stack, raw_request(stack, body=body, idempotency_key=key, connection="close"))
    assert b" 400 " in answer
    assert b'"idempotency_key_missing"' in answer


def test_a_key_of_255_characters_is_good(stack: LiveStack) -> None:
    assert stack.post(stack.wish(), key="!~" * 127 + "x").verdict == "succeeded"
