"""Wishes that are wrong: each is refused with its problem, and nothing of it is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.hospitals.listener.checks import check_problem, nothing_written
from tests.live import LiveStack

Wish = dict[str, Any]
Change = Callable[[Wish], Any]


def items(**changes: Any) -> Change:
    """A change of the first line."""
    return lambda wish: wish["items"][0].update(changes)


def member(of: str, /, **changes: Any) -> Change:
    return lambda wish: wish[of].update(changes)


def top(**changes: Any) -> Change:
    return lambda wish: wish.update(changes)


def without(name: str) -> Change:
    return lambda wish: wish.pop(name)


def lines(*amounts: int, numbers: tuple[int, ...] = ()) -> Change:
    """As many lines as amounts; the total stays what it was."""

    def change(wish: Wish) -> None:
        first = wish["items"][0]
        wish["items"] = [
            {**first, "line_no": number, "amount_minor": amount}
            for number, amount in zip(numbers or range(1, len(amounts) + 1), amounts, strict=True)
        ]

    return change


def priced(quantity: Any, **price: Any) -> Change:
    return items(quantity=quantity, **price)


# Name of the case, what is changed in a good wish, the field that the answer must name.
FIELDS: list[tuple[str, Change, str]] = [
    ("text as amount", items(amount_minor="10000"), "items[0].amount_minor"),
    ("a fraction as amount", items(amount_minor=10000.0), "items[0].amount_minor"),
    ("true as amount", items(amount_minor=True), "items[0].amount_minor"),
    ("null as amount", items(amount_minor=None), "items[0].amount_minor"),
    ("a negative amount", items(amount_minor=-1), "items[0].amount_minor"),
    ("an amount of 2**63", items(amount_minor=2**63), "items[0].amount_minor"),
    ("an amount of 10**400", items(amount_minor=10**400), "items[0].amount_minor"),
    ("a total of 2**63", top(total_minor=2**63), "total_minor"),
    ("a total of 10**400", top(total_minor=10**400), "total_minor"),
    ("a total as text", top(total_minor="10000"), "total_minor"),
    ("a total of true", top(total_minor=True), "total_minor"),
    ("a fraction as total", top(total_minor=10000.0), "total_minor"),
    ("a total of zero", top(total_minor=0), "total_minor"),
    ("a negative total", top(total_minor=-10000), "total_minor"),
    ("no total", without("total_minor"), "total_minor"),
    ("no lines", top(items=[]), "items"),
    ("lines left out", without("items"), "items"),
    ("too many lines", lines(*[1] * 5001), "items"),
    ("lines that do not sum", lines(4000, 5999), "items"),
    ("a line_no twice", lines(4000, 6000, numbers=(1, 1)), "items"),
    ("a line_no as text", items(line_no="1"), "items[0].line_no"),
    ("a line_no with a fraction", items(line_no=1.0), "items[0].line_no"),
    ("a quantity of 1e999999999", priced("1e999999999"), "items[0].quantity"),
    ("a quantity of 1e-999999999", priced("1e-999999999"), "items[0].quantity"),
    ("a quantity of NaN", priced("NaN"), "items[0].quantity"),
    ("a quantity of sNaN", priced("sNaN"), "items[0].quantity"),
    ("a quantity of Infinity", priced("-Infinity"), "items[0].quantity"),
    ("a quantity of 1_000", priced("1_000"), "items[0].quantity"),
    ("a quantity in Arabic digits", priced("١"), "items[0].quantity"),
    ("a quantity with a blank", priced(" 1"), "items[0].quantity"),
    ("a quantity below zero", priced("-1"), "items[0].quantity"),
    ("a quantity of five places", priced("1.00001"), "items[0].quantity"),
    ("a quantity of true", priced(True), "items[0].quantity"),
    ("a quantity of 10**400", priced(10**400), "items[0].quantity"),
    ("a quantity of a million digits", priced("1" * 10**6), "items[0].quantity"),
    ("a price that is not the amount", priced("1", unit_price="99.980000"), "items[0].amount_minor"),
    ("a price in fen that is not the amount", priced("3", unit_price_minor=10000), "items[0].amount_minor"),
    ("a product of thirty digits", priced("9" * 14, unit_price="9" * 14), "items[0].amount_minor"),
    ("no his_no", without("his_no"), "his_no"),
    ("an empty his_no", top(his_no=""), "his_no"),
    ("a his_no of 65 characters", top(his_no="A" * 65), "his_no"),
    ("a his_no with ~", top(his_no="A~2"), "his_no"),
    ("a his_no with /", top(his_no="A/2"), "his_no"),
    ("a his_no with a line feed", top(his_no="A\n"), "his_no"),
    ("a his_no with a header in it", top(his_no="A\r\nSet-Cookie: a=b"), "his_no"),
    ("a his_no with a blank", top(his_no=" A"), "his_no"),
    ("a his_no in Chinese", top(his_no="流水1"), "his_no"),
    ("a his_no that is a number", top(his_no=1), "his_no"),
    ("an unknown operation", top(operation="gift"), "operation"),
    ("an operation that is a list", top(operation=["settle"]), "operation"),
    ("no person", without("person"), "person"),
    ("a person that is a list", top(person=[]), "person"),
    ("a person without number and credential", top(person={"name": "张三"}), "person.id_no"),
    ("a document number that is a number", member("person", id_no=110101199001011237), "person.id_no"),
    ("a document number with a blank at its end", member("person", id_no="110101199001011237 "), "person.id_no"),
    ("a NUL in a name", member("person", name="a\0b"), "person.name"),
    ("a lone surrogate in a name", member("person", name="\ud800"), "person.name"),
    ("no visit", without("visit"), "visit"),
    ("a visit_no with a NUL", member("visit", visit_no="V\0"), "visit.visit_no"),
    ("a visit_no of 65 characters", member("visit", visit_no="V" * 65), "visit.visit_no"),
    ("a visit_no of blanks", member("visit", visit_no="  "), "visit.visit_no"),
    ("an unknown kind of visit", member("visit", kind="tea"), "visit.kind"),
    ("an unknown currency", top(currency="XAU"), "currency"),
    ("a negative wait", top(wait_seconds=-1), "wait_seconds"),
    ("a wait of 26 seconds", top(wait_seconds=26), "wait_seconds"),
    ("a wait as text", top(wait_seconds="10"), "wait_seconds"),
    ("a wait of true", top(wait_seconds=True), "wait_seconds"),
    ("a wait of null", top(wait_seconds=None), "wait_seconds"),
    ("a wait of 10**400", top(wait_seconds=10**400), "wait_seconds"),
    ("a wait that is a list", top(wait_seconds=[1]), "wait_seconds"),
]


@pytest.mark.parametrize(("change", "field"), [case[1:] for case in FIELDS], ids=[case[0] for case in FIELDS])
def test_it_names_the_field_that_is_wrong(stack: LiveStack, change: Change, field: str) -> None:
    wish = stack.wish()
    change(wish)
    with nothing_written(stack):
        answer = stack.post(json.dumps(wish).encode())
    check_problem(answer, 422, "invalid_fields")
    assert field in [error["field"] for error in answer.body["errors"]], answer.body["errors"]


# What is changed in a good wish, and what the message says.
MESSAGES: list[tuple[Change, str]] = [
    (lines(4000, 5999), "the lines sum to 9999, total_minor is 10000 (fen)"),
    (priced("1", unit_price="99.98"), "quantity x price is 9998, amount_minor is 10000 (fen)"),
    (top(operation="gift"), "must be one of eligibility, presettle, settle, cancel, resettle"),
    (member("visit", kind="tea"), "must be one of outpatient, inpatient, emergency, pharmacy"),
]


@pytest.mark.parametrize(("change", "message"), MESSAGES)
def test_the_message_says_what_would_be_right(stack: LiveStack, change: Change, message: str) -> None:
    wish = stack.wish()
    change(wish)
    assert [error["message"] for error in stack.post(wish).body["errors"]] == [message]


def written(stack: LiveStack, old: str, new: str) -> bytes:
    """A good wish as JSON text in which `old` is replaced."""
    text = json.dumps(stack.wish())
    assert old in text
    return text.replace(old, new).encode()


MALFORMED: dict[str, Callable[[LiveStack], bytes]] = {
    "an empty body": lambda _: b"",
    "half an object": lambda stack: json.dumps(stack.wish()).encode()[:-1],
    "two objects": lambda stack: json.dumps(stack.wish()).encode() * 2,
    "a list": lambda stack: b"[" + json.dumps(stack.wish()).encode() + b"]",
    "a number": lambda _: b"1",
    "null": lambda _: b"null",
    "a key twice": lambda stack: written(stack, '"total_minor"', '"total_minor": 1, "total_minor"'),
    "a key twice inside": lambda stack: written(stack, '"amount_minor"', '"amount_minor": 1, "amount_minor"'),
    "a key twice by escape": lambda stack: written(stack, '"total_minor"', '"total\\u005fminor": 1, "total_minor"'),
    "NaN": lambda stack: written(stack, '"total_minor": 10000', '"total_minor": NaN'),
    "Infinity": lambda stack: written(stack, '"total_minor": 10000', '"total_minor": -Infinity'),
    "an exponent beyond all": lambda stack: written(stack, '"quantity": "1"', '"quantity": 1e999999999999999999999'),
    "an exponent of 999999999": lambda stack: written(stack, '"quantity": "1"', '"quantity": 1e999999999'),
    "an exponent in an unknown field": lambda stack: written(stack, '"quantity"', '"x": 1e-999999999, "quantity"'),
    "a fraction of 100 digits": lambda stack: written(stack, '"quantity": "1"', f'"quantity": 0.{"1" * 100}'),
    "a number of 5000 digits": lambda stack: written(stack, '"total_minor": 10000', f'"total_minor": {"9" * 5000}'),
    "100,000 brackets": lambda _: b"[" * 10**5,
    "100,000 brackets, closed": lambda _: b'{"a":' * 10**5 + b"1" + b"}" * 10**5,
    "a million brackets": lambda _: b"[" * 10**6 + b"]" * 10**6,
    "17 levels": lambda stack: written(stack, '"quantity"', f'"x": {"[" * 17 + "]" * 17}, "quantity"'),
    "GBK bytes": lambda stack: json.dumps(stack.wish(), ensure_ascii=False).encode("gbk"),
    "a cut character": lambda stack: (
        json.dumps(stack.wish(), ensure_ascii=False).encode().replace("三".encode(), b"\xe4")
    ),
    "UTF-16": lambda stack: json.dumps(stack.wish()).encode("utf-16"),
    "a byte order mark": lambda stack: b"\xef\xbb\xbf" + json.dumps(stack.wish()).encode(),
    "a raw NUL": lambda stack: written(stack, '"settle"', '"settle\0"'),
    "a lone surrogate in an unknown field": lambda stack: written(stack, '"quantity"', '"x": "\\ud800", "quantity"'),
    "a lone surrogate as a key": lambda stack: written(stack, '"quantity"', '"\\udfff": 1, "quantity"'),
}


@pytest.mark.parametrize("make", MALFORMED.values(), ids=MALFORMED.keys())
def test_it_refuses_what_is_not_one_plain_object_in_utf_8(stack: LiveStack, make: Callable[[LiveStack], bytes]) -> None:
    body = make(stack)
    with nothing_written(stack):
        check_problem(stack.post(body), 400, "malformed_json")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"total_minor": 10000', '"total_minor": 1e4'),
        ('"total_minor": 10000', '"total_minor": 10000.0'),
        ('"amount_minor": 10000', '"amount_minor": 1E+4'),
    ],
)
def test_it_takes_no_other_spelling_of_a_whole_number(stack: LiveStack, old: str, new: str) -> None:
    with nothing_written(stack):
        check_problem(stack.post(written(stack, old, new)), 422, "invalid_fields")


@pytest.mark.parametrize("scheme", ["999", "310' OR 1=1 --", "*"])
def test_it_refuses_a_scheme_that_leads_nowhere(stack: LiveStack, scheme: str) -> None:
    wish = stack.wish(insurance={"scheme": scheme, "region": "110000"})
    with nothing_written(stack):
        check_problem(stack.post(wish), 422, "no_route")


def test_a_doubled_key_among_many_is_found_at_once(stack: LiveStack) -> None:
    names = ",".join(f'"k{number}":1' for number in range(120_000))
    with nothing_written(stack):
        check_problem(stack.post(f'{{{names},"k119999":1}}'.encode()), 400, "malformed_json")


def test_a_refusal_of_thousands_of_lines_stays_short(stack: LiveStack) -> None:
    wish = stack.wish(items=[{} for _ in range(5000)])
    answer = stack.post(wish)
    check_problem(answer, 422, "invalid_fields")
    assert len(answer.body["errors"]) == 50
    assert len(json.dumps(answer.body)) < 20_000


def test_after_all_of_it_a_good_wish_is_settled(stack: LiveStack) -> None:
    assert stack.post(stack.wish()).verdict == "succeeded"
    for name in ("listener-1", "listener-2"):
        assert stack.processes[name].process.poll() is None
        assert "Traceback" not in stack.log(name)
