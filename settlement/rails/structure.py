"""Own checks of the structure of ISO 20022 messages: which elements, in which order, how often, of which type.

The tables follow the published message definitions; the schemas themselves are not part of this repository. Where a
definition allows what we never read, the table says `ANYTHING` and looks no deeper.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from xml.etree import ElementTree

from core.money import EXPONENTS

MANY = 1_000_000
FILE_BYTES_AT_MOST = 20 * 1024 * 1024


class Misbuilt(Exception):
    """The message is not built as its definition says. `place` is the path, `fault` what is wrong there."""

    def __init__(self, place: str, fault: str) -> None:
        self.place, self.fault = place, fault
        super().__init__(f"{place}: {fault}")


@dataclass(frozen=True, slots=True)
class Of:
    """An element of a table: its name, how often at least and at most, and its type."""

    name: str
    type: object
    least: int = 1
    most: int = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """Exactly one of these elements."""

    names: dict[str, object]


ANYTHING = "anything"
AMOUNT = "amount"
TEXT = "text"
Sequence = tuple[Of, ...]


@dataclass(frozen=True, slots=True)
class Simple:
    """A text of that pattern, read without surrounding blanks."""

    what: str
    pattern: str


def text(most: int) -> Simple:
    return Simple(f"a text of 1 to {most} characters", rf"(?s:.{{1,{most}}})")


DATE = Simple("a date", r"\d{4}-\d{2}-\d{2}(Z|[+-]\d{2}:\d{2})?")
MOMENT = Simple("a date with time", r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?")
COUNT = Simple("a count", r"\d{1,15}")
NUMBER = Simple("a number", r"-?\d{1,17}(\.\d{1,17})?")
FLAG = Simple("true or false", r"true|false|0|1")
CURRENCY = Simple("a currency", r"[A-Z]{3}")
AMOUNT_TEXT = re.compile(r"\d{1,18}(\.\d{1,5})?|\.\d{1,5}")


def optional(name: str, type_: object = ANYTHING, most: int = 1) -> Of:
    return Of(name, type_, 0, most)


def tree_of(raw: bytes) -> ElementTree.Element:
    """The root of a UTF-8 XML file without declarations. Raises Misbuilt."""
    if len(raw) > FILE_BYTES_AT_MOST:
        raise Misbuilt("file", f"longer than {FILE_BYTES_AT_MOST} bytes")
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Misbuilt("file", "not UTF-8") from None
    # Without a document type there is nothing to expand and nothing to fetch.
    if "<!DOCTYPE" in content or "<!ENTITY" in content:
        raise Misbuilt("file", "holds a document type declaration")
    try:
        return ElementTree.fromstring(content.encode())  # noqa: S314 - see above.
    except (ElementTree.ParseError, ValueError):
        raise Misbuilt("file", "not well-formed XML") from None


def structure_check(element: ElementTree.Element, type_: object, *, namespace: str, place: str) -> None:
    """Raises Misbuilt at the first place that differs from the table."""
    match type_:
        case "anything":
            return
        case "amount":
            _amount_check(element, place)
        case Simple():
            _leaf_check(element, type_, place)
        case Choice():
            children = list(element)
            if len(children) != 1:
                raise Misbuilt(place, f"exactly one of {', '.join(type_.names)}")
            name = _name(children[0], namespace, place)
            if name not in type_.names:
                raise Misbuilt(f"{place}/{name}", f"not one of {', '.join(type_.names)}")
            structure_check(children[0], type_.names[name], namespace=namespace, place=f"{place}/{name}")
        case tuple():
            _sequence_check(element, type_, namespace, place)


def _sequence_check(element: ElementTree.Element, table: Sequence, namespace: str, place: str) -> None:
    children = list(element)
    at = 0
    for of in table:
        count = 0
        while at < len(children) and _name(children[at], namespace, place) == of.name:
            count += 1
            if count > of.most:
                raise Misbuilt(f"{place}/{of.name}", f"comes more than {of.most} times")
            structure_check(children[at], of.type, namespace=namespace, place=f"{place}/{of.name}")
            at += 1
        if count < of.least:
            raise Misbuilt(f"{place}/{of.name}", "missing, or not in its place")
    if at < len(children):
        raise Misbuilt(f"{place}/{_name(children[at], namespace, place)}", "unknown, or not in its place")


def _name(element: ElementTree.Element, namespace: str, place: str) -> str:
    head = f"{{{namespace}}}"
    if not isinstance(element.tag, str) or not element.tag.startswith(head):
        raise Misbuilt(place, "an element of another namespace")
    return element.tag.removeprefix(head)


def _leaf_check(element: ElementTree.Element, type_: Simple, place: str) -> None:
    if len(element):
        raise Misbuilt(place, "holds elements where a value belongs")
    if re.fullmatch(type_.pattern, (element.text or "").strip()) is None:
        raise Misbuilt(place, f"is not {type_.what}")


def _amount_check(element: ElementTree.Element, place: str) -> None:
    if len(element) or AMOUNT_TEXT.fullmatch((element.text or "").strip()) is None:
        raise Misbuilt(place, "is not an amount")
    if re.fullmatch(r"[A-Z]{3}", element.get("Ccy", "")) is None:
        raise Misbuilt(place, "has no currency")


def minor_of(element: ElementTree.Element, place: str) -> tuple[int, str]:
    """Minor units and currency of an amount. Raises Misbuilt where it is not whole in them."""
    currency = element.get("Ccy", "")
    if currency not in EXPONENTS:
        raise Misbuilt(place, f"the currency {currency} is not one that we keep")
    return minor_text((element.text or "").strip(), currency, place), currency


def minor_text(amount: str, currency: str, place: str) -> int:
    """Minor units of a decimal text in `currency`. Raises Misbuilt."""
    try:
        minor = Decimal(amount).scaleb(EXPONENTS[currency])
    except InvalidOperation:
        raise Misbuilt(place, "is not an amount") from None
    if not minor.is_finite() or minor != minor.to_integral_value() or abs(minor) >= 10**15:
        raise Misbuilt(place, f"is no whole amount of {currency}")
    return int(minor)


def amount_text(minor: int, currency: str) -> str:
    exponent = EXPONENTS[currency]
    return f"{Decimal(minor).scaleb(-exponent):.{exponent}f}"


def day_of(value: str, place: str) -> date:
    """The day that a date or a date with time begins with. Raises Misbuilt."""
    try:
        return date.fromisoformat(value.strip()[:10])
    except ValueError:
        raise Misbuilt(place, "is not a day of the calendar") from None


def moment_text(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
