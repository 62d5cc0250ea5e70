"""What the insurer does with good messages: shares, idempotency, reversal, cancel, query, profiles."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from .process import Sandbox, about, settlement


def cancel_of(request: dict[str, Any], settlement_no: str) -> dict[str, Any]:
    return about("cancel", request, settlement_no=settlement_no)


def test_it_settles_eighty_to_twenty(sandbox: Sandbox) -> None:
    request = settlement()
    content = sandbox.call("settle", request).content
    assert content.pop("settlement_no").startswith("SANDBOX-A-")
    assert content == {
        "msgid": request["msgid"],
        "his_no": request["his_no"],
        "code": "done",
        "reason": None,
        "person": {"id_no": "110101199001011237"},
        "total_minor": 10000,
        "currency": "CNY",
        "fund_minor": 8000,
        "account_minor": 0,
        "hospital_minor": 0,
        "cash_minor": 2000,
        "shares": [{"payer": "basic_fund", "amount_minor": 8000}],
    }
    assert sandbox.control("book")["totals"] == {"settled_fund_minor": 8000, "count": 1}


@pytest.mark.parametrize(
    ("ending", "parts"),
    [
        ("9003", (0, 0, 0, 9999)),
        ("9004", (6998, 999, 0, 2002)),
        ("9005", (7999, 0, 499, 1501)),
        ("9007", (4999, 2999, 0, 2001)),
        ("9008", (9999, 0, 0, 0)),
        ("9009", (7997, 0, 0, 2002)),
    ],
)
@pytest.mark.parametrize("module", ["presettle", "settle"])
def test_a_magic_person_has_known_parts(
    sandbox: Sandbox, module: str, ending: str, parts: tuple[int, int, int, int]
) -> None:
    content = sandbox.call(module, settlement(id_no=f"11010119900101{ending}", total_minor=9999)).content
    names = ("fund_minor", "account_minor", "hospital_minor", "cash_minor")
    assert tuple(content[name] for name in names) == parts
    assert sum(parts) == content["total_minor"] == 9999
    assert sum(share["amount_minor"] for share in content["shares"]) == parts[0] + parts[1]
    assert len(sandbox.book()) == (1 if module == "settle" else 0)


@pytest.mark.parametrize(
    ("ending", "code"), [("9001", "not_insured"), ("9002", "account_frozen"), ("9006", "cap_reached")]
)
def test_a_magic_person_is_refused(sandbox: Sandbox, ending: str, code: str) -> None:
    content = sandbox.call("settle", settlement(id_no=f"11010119900101{ending}")).content
    assert (content["code"], content["reason"]["code"]) == ("refused", code)
    assert sandbox.book() == []


def test_eligibility_knows_who_is_covered(sandbox: Sandbox) -> None:
    content = sandbox.call("eligibility", settlement()).content
    assert (content["covered"], content["scheme"], content["region"]) == (True, "310", "110000")
    assert sandbox.call("eligibility", settlement(id_no="110101199001019001")).content["covered"] is False


def test_the_same_message_gets_the_same_answer(sandbox: Sandbox) -> None:
    request = settlement()
    first = sandbox.call("settle", request)
    second = sandbox.call("settle", request)
    assert second.is_signed
    assert second.body == first.body
    assert sandbox.states() == ["settled"]


def test_the_same_message_id_with_another_body_is_a_conflict(sandbox: Sandbox) -> None:
    request = settlement()
    sandbox.call("settle", request)
    answer = sandbox.call("settle", request | {"total_minor": 5})
    assert answer.status == 409
    assert answer.is_signed
    assert sandbox.states() == ["settled"]


def test_the_same_settlement_in_a_new_message_is_booked_once(sandbox: Sandbox) -> None:
    request = settlement()
    first = sandbox.call("settle", request).content
    assert sandbox.call("settle", request, "another-message").content == first
    assert sandbox.states() == ["settled"]


def test_many_at_once_are_booked_once_each(sandbox: Sandbox) -> None:
    requests = [settlement() for _ in range(20)] * 2
    threads = [threading.Thread(target=sandbox.call, args=("settle", request)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sandbox.control("book")["totals"] == {"settled_fund_minor": 160_000, "count": 20}


def test_it_refuses_a_settlement_whose_time_has_passed(sandbox: Sandbox) -> None:
    request = settlement(not_after="2020-01-01T00:00:00.000000Z")
    assert sandbox.call("settle", request).content["reason"]["code"] == "too_late"
    assert sandbox.book() == []


def test_latency_counts_against_the_time_of_a_settlement(sandbox: Sandbox) -> None:
    sandbox.control("latency", {"seconds": 0.6})
    not_after = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time()))
    began = time.monotonic()
    assert sandbox.call("settle", settlement(not_after=not_after)).content["reason"]["code"] == "too_late"
    assert time.monotonic() - began > 0.55


def test_a_reversal_is_accepted_once_and_then_already_done(sandbox: Sandbox) -> None:
    request = settlement()
    settlement_no = sandbox.call("settle", request).content["settlement_no"]
    reversed_deal = {"msgid": request["msgid"], "settlement_no": settlement_no}
    first = sandbox.call("reverse", about("reverse", request)).content
    second = sandbox.call("reverse", about("reverse", request)).content
    assert (first["reversed"], first.get("already")) == (reversed_deal, None)
    assert (second["reversed"], second.get("already")) == (reversed_deal, True)
    assert [(row["state"], row["accepted_reversals"]) for row in sandbox.book()] == [("reversed", 1)]
    assert sandbox.control("book")["totals"] == {"settled_fund_minor": 0, "count": 0}


def test_a_reversed_settlement_is_not_booked_again(sandbox: Sandbox) -> None:
    request = settlement()
    sandbox.call("settle", request)
    sandbox.call("reverse", about("reverse", request))
    content = sandbox.call("settle", request, "another-message").content
    assert content["reason"]["code"] == "reversed_before"
    assert sandbox.states() == ["reversed"]


def test_a_reversal_of_an_unknown_message_blocks_its_original(sandbox: Sandbox) -> None:
    request = settlement()
    content = sandbox.call("reverse", about("reverse", request)).content
    assert (content["code"], content["reversed"]) == ("done", None)
    assert sandbox.call("settle", request).content["reason"]["code"] == "reversed_before"
    assert sandbox.book() == []


def test_a_cancel_is_a_new_settlement_that_happens_once(sandbox: Sandbox) -> None:
    request = settlement()
    settlement_no = sandbox.call("settle", request).content["settlement_no"]
    first = sandbox.call("cancel", cancel_of(request, settlement_no)).content
    assert first["cancelled"] == settlement_no
    assert first["settlement_no"] not in ("", settlement_no)
    second = sandbox.call("cancel", cancel_of(request, settlement_no)).content
    assert second["reason"]["code"] == "already_cancelled"
    assert sandbox.call("reverse", about("reverse", request)).content["reason"]["code"] == "already_cancelled"
    assert sandbox.states() == ["cancelled"]
    unknown = sandbox.call("cancel", cancel_of(request, "SANDBOX-A-0999999999")).content
    assert unknown["reason"]["code"] == "not_found"


def test_a_reversed_cancel_makes_the_settlement_stand_again(sandbox: Sandbox) -> None:
    request = settlement()
    settlement_no = sandbox.call("settle", request).content["settlement_no"]
    cancel = cancel_of(request, settlement_no)
    cancel_no = sandbox.call("cancel", cancel).content["settlement_no"]
    assert sandbox.call("query", about("query", cancel)).content["found"]["state"] == "cancelled"
    content = sandbox.call("reverse", about("reverse", cancel, of_kind="cancel")).content
    assert content["reversed"] == {"msgid": cancel["msgid"], "settlement_no": cancel_no}
    assert sandbox.states() == ["settled"]


def test_a_query_shows_what_the_book_holds(sandbox: Sandbox) -> None:
    request = settlement()
    assert sandbox.call("query", about("query", request)).content["code"] == "not_found"
    booked = sandbox.call("settle", request).content
    found = sandbox.call("query", about("query", request)).content["found"]
    assert found["state"] == "settled"
    for name in ("msgid", "his_no", "settlement_no", "person", "total_minor", "cash_minor", "shares"):
        assert found[name] == booked[name]
    sandbox.call("reverse", about("reverse", request))
    assert sandbox.call("query", about("query", request)).content["found"]["state"] == "reversed"


def test_an_nhsa_like_insurer_keeps_fewer_promises(start: Callable[..., Sandbox]) -> None:
    insurer = start("nhsa_like")
    request = settlement()
    settlement_no = insurer.call("settle", request).content["settlement_no"]
    assert insurer.call("query", about("query", request)).content["reason"]["code"] == "not_supported"
    by_number = about("query", request, settlement_no=settlement_no)
    assert insurer.call("query", by_number).content["found"]["msgid"] == request["msgid"]
    assert insurer.call("settle", request).status == 409
    assert insurer.states() == ["settled"]
    # Sent again in a new message, it is booked twice: that is why nobody may do it.
    insurer.call("settle", request, "another-message")
    assert insurer.states() == ["settled", "settled"]
    insurer.fault("duplicate_delivery")
    assert insurer.call("settle", settlement()).status == 200
    assert len(insurer.book()) == 3


def test_no_empty_cancel_refuses_to_reverse_what_it_never_saw(start: Callable[..., Sandbox]) -> None:
    insurer = start("no_empty_cancel")
    request = settlement()
    assert insurer.call("reverse", about("reverse", request)).content["reason"]["code"] == "unknown_original"
    assert insurer.call("settle", request).content["code"] == "done"


def test_an_insurer_that_never_answers_reads_and_books_nothing(start: Callable[..., Sandbox]) -> None:
    insurer = start("never_answers")
    for module in ("settle", "query", "eligibility"):
        connection = insurer.open(module, about(module, settlement()) | settlement())
        assert connection.sock is not None
        connection.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
    assert insurer.book() == []
