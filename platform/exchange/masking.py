"""Personal data hidden before anybody looks: names, document numbers, phones, credentials. Pure functions.

What is hidden goes by the field's name, in the native SPI's words and the NHSA's. Because counterparties also put such
data into free text, every string is searched for what looks like a document number or a phone, and for the values that
the fields of this very transaction hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

MASK = "*"
SHOWN_CHARACTERS = 20_000
# Field names in lower case. A name is a person's unless it stands under one of NAMES_OF_THINGS.
NAMES = frozenset({"name", "psn_name", "patient_name", "opter_name", "dr_name", "doctor_name", "patn_name"})
NAMES_OF_THINGS = frozenset({"items", "diagnoses", "department", "hospital", "insurer", "fixmedins"})
NUMBERS = frozenset(
    (
        "id_no",
        "certno",
        "psn_no",
        "psn_cert_no",
        "card_no",
        "card_sn",
        "policy_no",
        "account_no",
        "mdtrt_cert_no",
        "id_card",
    )
)
PHONES = frozenset({"phone", "tel", "mobile", "telephone", "contact_phone"})
SECRETS = frozenset(
    (
        *("credential", "contact", "password", "secret", "token", "pin", "sign_no", "cainfo", "dev_safe_info"),
        *("addr", "address", "email", "authorization", "cookie", "set-cookie", "x-tif-paasid"),
    )
)
# 18 characters with a date of birth inside, its 15-digit predecessor, a mobile number. Message ids are none.
DOCUMENT = re.compile(
    r"(?<![0-9A-Za-z])(?:[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[0-9Xx]"
    r"|[1-9]\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3})(?![0-9A-Za-z])"
)
PHONE = re.compile(r"(?<![0-9A-Za-z])(?:\+?86[- ]?)?1[3-9]\d{9}(?![0-9A-Za-z])")
# Shorter values would hide parts of innocent words. A Chinese name has two characters.
SHORTEST_KNOWN = 2
SHORTEST_KNOWN_ASCII = 4
# A personal field in a body that is no JSON any more.
BROKEN_FIELD = re.compile(
    rf'("(?:{"|".join(sorted(NAMES | NUMBERS | PHONES | SECRETS))})"\s*:\s*)"[^"]*"?', re.IGNORECASE
)


def masked_name(value: str) -> str:
    """The first character; how long the rest was is not told."""
    return value[:1] + MASK * 2 if value else value


def masked_number(value: str) -> str:
    """The first three and last four characters of a long number; nothing of a short one."""
    return value[:3] + MASK * (len(value) - 7) + value[-4:] if len(value) >= 12 else MASK * len(value)


def masked_phone(value: str) -> str:
    return value[:3] + MASK * (len(value) - 7) + value[-4:] if len(value) >= 11 else MASK * len(value)


def masked_text(text: str, *, known: Collection[str] = ()) -> str:
    """Free text without the `known` values and without what looks like a document number or a phone."""
    for value in sorted(known, key=len, reverse=True):
        text = text.replace(value, MASK * 3)
    text = DOCUMENT.sub(lambda found: masked_number(found[0]), text)
    return PHONE.sub(lambda found: masked_phone(found[0]), text)


def masked(value: Any, *, known: Collection[str] = (), inside: str = "") -> Any:
    """A JSON value of the same shape with everything personal hidden. `inside` is the field that holds it."""
    if isinstance(value, Mapping):
        return {str(name): _field(str(name), item, known, inside) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item, known=known, inside=inside) for item in value]
    if isinstance(value, str):
        return masked_text(value, known=known)
    if isinstance(value, int) and not inside.endswith("_minor") and masked_text(str(value)) != str(value):
        return masked_text(str(value))
    return value


def masked_body(body: bytes, *, known: Collection[str] = ()) -> str:
    """A message body for the eye: JSON is indented and hidden by field, anything else as text. Cut when very long."""
    text = body.decode("utf-8", "replace")
    try:
        shown = json.dumps(masked(json.loads(text), known=known), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        shown = masked_text(BROKEN_FIELD.sub(rf'\1"{MASK * 3}"', text), known=known)
    return shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + " …"


def personal_values(value: Any, *, inside: str = "") -> frozenset[str]:
    """What the personal fields of a JSON value hold: given as `known`, it is hidden in other messages' texts too."""
    return frozenset(
        found
        for found in _personal(value, inside)
        if len(found) >= (SHORTEST_KNOWN_ASCII if found.isascii() else SHORTEST_KNOWN)
    )


def _field(name: str, value: Any, known: Collection[str], inside: str) -> Any:
    kind = _kind(name, inside)
    if kind == "" or value is None or isinstance(value, bool):
        return masked(value, known=known, inside=name.lower())
    if kind == "secret" or not isinstance(value, str | int):
        return MASK * 3
    return {"name": masked_name, "number": masked_number, "phone": masked_phone}[kind](str(value))


def _kind(name: str, inside: str) -> str:
    name = name.lower()
    if name in NAMES:
        return "" if name == "name" and inside in NAMES_OF_THINGS else "name"
    for kind, names in (("number", NUMBERS), ("phone", PHONES), ("secret", SECRETS)):
        if name in names:
            return kind
    return ""


def _personal(value: Any, inside: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if _kind(str(name), inside) and isinstance(item, str):
                yield item
            else:
                yield from _personal(item, str(name).lower())
    elif isinstance(value, list):
        for item in value:
            yield from _personal(item, inside)
