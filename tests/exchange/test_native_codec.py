"""The native dialect's words for undoing: what each answer amounts to, and that nothing unread ever proves anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.dialects.native.codec import NativeDialect
from exchange.messages import Held, Original, Wish
from exchange.states import CallKind, CallOutcome
from tests.exchange.test_doubt import ARMED

PERSON = {"id_no": "110101199001011237", "name": "张三丰"}
WISH = Wish("W", "HOSP-A", "settle", 10000, "CNY", {"person": PERSON, "visit": {"visit_no": "V"}})
SETTLED = Original(CallKind.SETTLE, "MS1", "S-1")
CANCELLED = Original(CallKind.CANCEL, "MS5", "S-1")
WHO = {"person": {"id_no": PERSON["id_no"]}, "total_minor": 10000}
PARTS = {
    "fund_minor": 8000,
    "account_minor": 0,
    "hospital_minor": 0,
    "cash_minor": 2000,
    "shares": [{"payer": "basic_fund", "amount_minor": 8000}],
}
FOUND: dict[str, Any] = {"msgid": "MS1", "settlement_no": "S-1", "state": "settled", **WHO, **PARTS}
UNDONE: dict[str, Any] = {"reversed": {"msgid": "MS1", "settlement_no": "S-1"}, **WHO}
BOOKED: dict[str, Any] = {"cancelled": "S-1", "settlement_no": "C-1", **WHO, "total_minor": -10000}
SOMEBODY = {"person": {"id_no": "110101199001011230"}}
DONE, REFUSED, UNKNOWN = CallOutcome.DONE, CallOutcome.REFUSED, CallOutcome.UNKNOWN


def read(kind: CallKind, body: Any, *, original: Original | None = SETTLED) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return NativeDialect().read(kind, WISH, msgid="MS9", body=raw, original=original)


def done(**members: Any) -> dict[str, Any]:
    return {"msgid": "MS9", "his_no": "W", "code": "done", "reason": None} | members


def refused(code: str) -> dict[str, Any]:
    return {"msgid": "MS9", "code": "refused", "reason": {"code": code, "text": "说明"}}


# What is asked -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "original", "says"),
    [
        (CallKind.QUERY, SETTLED, {"of_msgid": "MS1"}),
        (CallKind.QUERY, CANCELLED, {"of_msgid": "MS5", "settlement_no": "S-1"}),
        (CallKind.REVERSE, SETTLED, {"of_msgid": "MS1", "of_kind": "settle"}),
        (CallKind.REVERSE, CANCELLED, {"of_msgid": "MS5", "of_kind": "cancel"}),
        (CallKind.CANCEL, SETTLED, {"of_msgid": "MS1", "settlement_no": "S-1"}),
    ],
)
def test_a_message_names_the_act_that_it_speaks_of(kind: CallKind, original: Original, says: dict[str, str]) -> None:
    built = NativeDialect().build(kind, WISH, msgid="MS9", not_after=ARMED, original=original)
    body = json.loads(built.body)
    assert built.path == f"/spi/v1/{kind.lower()}"
    assert {name: body.get(name) for name in says} == says
    assert (body["msgid"], body["person"]["id_no"], body["not_after"]) == (
        "MS9",
        PERSON["id_no"],
        "2026-11-22T08:00:00.000000Z",
    )
    assert "items" not in body, "what was bought is nobody's business here"


# Queries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "held"),
    [
        ("settled", Held.STANDS),
        ("reversed", Held.UNDONE),
        ("cancelled", Held.CANCELLED),
        ("refused", Held.REFUSED),
    ],
)
def test_a_settlement_that_is_found(state: str, held: Held) -> None:
    reply = read(CallKind.QUERY, done(found=FOUND | {"state": state}))
    assert (reply.outcome, reply.held) == (DONE, held)
    assert (reply.split is not None) is (held is Held.STANDS)
    if reply.split:
        assert (reply.split.settlement_no, reply.split.cash_minor) == ("S-1", 2000)


@pytest.mark.parametrize(
    ("state", "held"), [("settled", Held.REFUSED), ("cancelled", Held.STANDS), ("reversed", Held.UNDONE)]
)
def test_a_cancel_is_found_by_the_state_of_its_settlement(state: str, held: Held) -> None:
    reply = read(CallKind.QUERY, done(found=FOUND | {"state": state}), original=CANCELLED)
    assert (reply.outcome, reply.held, reply.split) == (DONE, held, None)


@pytest.mark.parametrize("code", ["running", "not_found"])
def test_a_query_may_say_running_or_not_found_and_no_other_message_may(code: str) -> None:
    assert read(CallKind.QUERY, {"msgid": "MS9", "code": code}).outcome == code.upper()
    for kind in (CallKind.REVERSE, CallKind.CANCEL):
        assert read(kind, {"msgid": "MS9", "code": code}).outcome is UNKNOWN


@pytest.mark.parametrize("changes", [SOMEBODY, {"person": None}, {"person": []}, {"total_minor": 9999}])
@pytest.mark.parametrize("state", ["settled", "reversed", "cancelled"])
def test_what_is_found_of_another_person_or_total_is_a_contradiction(changes: dict[str, Any], state: str) -> None:
    reply = read(CallKind.QUERY, done(found=FOUND | {"state": state} | changes))
    assert (reply.outcome, reply.held, reply.split) == (DONE, Held.ANOTHER, None)


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        "settled",
        {},
        FOUND | {"state": "perhaps"},
        FOUND | {"state": ["settled"]},
        FOUND | {"msgid": "MS2"},
        FOUND | {"cash_minor": 1999},
        FOUND | {"cash_minor": 2000.0},
        FOUND | {"cash_minor": True},
        FOUND | {"fund_minor": 12000, "cash_minor": -2000},
        FOUND | {"shares": [{"payer": "uncle", "amount_minor": 8000}]},
        FOUND | {"settlement_no": ""},
        FOUND | {"settlement_no": "S\0"},
        FOUND | {"settlement_no": "S" * 501},
    ],
)
def test_what_is_found_and_cannot_be_read_proves_nothing(found: Any) -> None:
    assert read(CallKind.QUERY, done(found=found)).outcome is UNKNOWN


def test_another_settlement_than_the_cancels_proves_nothing_of_it() -> None:
    assert read(CallKind.QUERY, done(found=FOUND | {"settlement_no": "S-2"}), original=CANCELLED).outcome is UNKNOWN


# Reversals ---------------------------------------------------------------------------------------------


def test_a_reversal_names_what_it_undid() -> None:
    reply = read(CallKind.REVERSE, done(**UNDONE))
    assert (reply.outcome, reply.undone) == (DONE, "S-1")
    # Said again, without person and total.
    assert read(CallKind.REVERSE, done(reversed=UNDONE["reversed"])).undone == "S-1"


def test_a_reversal_of_nothing_is_done_and_names_nothing() -> None:
    reply = read(CallKind.REVERSE, done(reversed=None))
    assert (reply.outcome, reply.undone, reply.reason_code) == (DONE, "", "nothing_held")


@pytest.mark.parametrize(
    "members",
    [
        UNDONE | SOMEBODY,
        UNDONE | {"total_minor": 1},
        UNDONE | {"total_minor": -10000},
        {**UNDONE, "person": None},
        UNDONE | {"reversed": {"msgid": "MS2", "settlement_no": "S-1"}},
        UNDONE | {"reversed": {"msgid": "MS1"}},
        UNDONE | {"reversed": {"msgid": "MS1", "settlement_no": ""}},
        UNDONE | {"reversed": "S-1"},
        UNDONE | {"reversed": True},
        UNDONE | {"error": {"code": "E1"}},
        {"reversed": None, **SOMEBODY},
    ],
)
def test_a_reversal_of_something_else_proves_nothing(members: dict[str, Any]) -> None:
    assert read(CallKind.REVERSE, done(**members)).outcome is UNKNOWN


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("unknown_original", "original_unknown"),
        ("already_reversed", "already_reversed"),
        ("already_cancelled", "refused_by_insurer"),
        ("closed_month", "refused_by_insurer"),
        ("", "refused_by_insurer"),
    ],
)
def test_a_refused_reversal_says_why(code: str, reason: str) -> None:
    reply = read(CallKind.REVERSE, refused(code))
    assert (reply.outcome, reply.reason_code, reply.insurer_code) == (REFUSED, reason, code)


# Cancels -----------------------------------------------------------------------------------------------


def test_a_cancel_names_its_own_number() -> None:
    reply = read(CallKind.CANCEL, done(**BOOKED))
    assert (reply.outcome, reply.undone) == (DONE, "C-1")


@pytest.mark.parametrize(
    "members",
    [
        BOOKED | {"cancelled": "S-2"},
        BOOKED | {"cancelled": None},
        BOOKED | {"settlement_no": ""},
        BOOKED | {"total_minor": 10000},
        BOOKED | {"total_minor": -1},
        BOOKED | SOMEBODY,
        {**BOOKED, "person": None},
        BOOKED | {"error": "busy"},
        {},
    ],
)
def test_a_cancel_of_something_else_proves_nothing(members: dict[str, Any]) -> None:
    assert read(CallKind.CANCEL, done(**members)).outcome is UNKNOWN


def test_a_cancel_that_was_there_before_is_done_and_every_other_refusal_is_one() -> None:
    assert read(CallKind.CANCEL, refused("already_cancelled")).outcome is DONE
    for code in ("already_reversed", "unknown_original", "closed_month"):
        assert read(CallKind.CANCEL, refused(code)).outcome is REFUSED


# Whatever comes ------------------------------------------------------------------------------------------

# A busy machine is no fault of the rule.
BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
KINDS = st.sampled_from([CallKind.QUERY, CallKind.REVERSE, CallKind.CANCEL, CallKind.SETTLE])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
NAMES = ["msgid", "code", "reason", "found", "reversed", "cancelled", "settlement_no", "state", "person", "total_minor"]
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@BUSY
@given(KINDS, st.binary(max_size=200))
def test_bytes_of_any_kind_prove_nothing(kind: CallKind, body: bytes) -> None:
    original = None if kind is CallKind.SETTLE else SETTLED
    assert read(kind, body, original=original).outcome is UNKNOWN


@BUSY
@given(KINDS, st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=6))
def test_a_done_of_any_other_shape_proves_nothing(kind: CallKind, members: dict[str, Any]) -> None:
    original = None if kind is CallKind.SETTLE else SETTLED
    reply = read(kind, done(**members) | {"msgid": "MS9", "code": "done"}, original=original)
    empty_reversal = kind is CallKind.REVERSE and members.get("reversed") is None
    assert reply.outcome is UNKNOWN or empty_reversal, "without ids, person and total it is no proof"


@BUSY
@given(KINDS, st.sampled_from([FOUND, UNDONE, BOOKED]), st.text(max_size=12))
def test_an_answer_to_another_message_proves_nothing(kind: CallKind, members: dict[str, Any], msgid: str) -> None:
    answer = done(found=FOUND, **members) | {"msgid": msgid}
    if msgid != "MS9":
        assert read(kind, answer, original=SETTLED).outcome is UNKNOWN


@BUSY
@given(st.data())
def test_one_changed_member_of_a_good_answer_never_proves_another_thing(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FOUND)))
    value: Any = data.draw(ANYTHING)
    reply = read(CallKind.QUERY, done(found=FOUND | {name: value}))
    if reply.outcome is DONE and reply.held is Held.STANDS:
        assert reply.split is not None
        parts = reply.split
        assert parts.fund_minor + parts.account_minor + parts.hospital_minor + parts.cash_minor == 10000
        assert name == "settlement_no" or value == FOUND[name] or name == "person"
        if name == "person":
            assert value["id_no"] == PERSON["id_no"]
