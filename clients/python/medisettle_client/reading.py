"""JSON into frozen dataclasses: what is not known is passed over, what has a default may be missing."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints


class Unreadable(Exception):
    """An answer that does not have the form of the contract."""


def read[Answer](kind: type[Answer], data: object) -> Answer:
    """`data` as the dataclass `kind`; a member named `raw` gets all of it. Raises Unreadable."""
    if not isinstance(data, Mapping):
        raise Unreadable(f"{kind.__name__} is no JSON object")
    values: dict[str, Any] = {}
    for name, wanted, needed in _members(kind):  # type: ignore[arg-type]
        if name == "raw":
            values[name] = data
        elif name in data:
            values[name] = _value(wanted, data[name], f"{kind.__name__}.{name}")
        elif needed:
            raise Unreadable(f"{kind.__name__} lacks {name}")
    return kind(**values)


@cache
def _members(kind: type) -> list[tuple[str, Any, bool]]:
    """Name, type, and whether it must be there."""
    hints = get_type_hints(kind)
    return [
        (
            member.name,
            hints[member.name],
            member.default is dataclasses.MISSING and member.default_factory is dataclasses.MISSING,
        )
        for member in dataclasses.fields(kind)
    ]


def _value(wanted: Any, data: object, path: str) -> Any:
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        (plain,) = (one for one in get_args(wanted) if one is not type(None))
        return None if data is None else _value(plain, data, path)
    if origin is tuple:
        if not isinstance(data, list):
            raise Unreadable(f"{path} is no list")
        return tuple(_value(get_args(wanted)[0], one, path) for one in data)
    if wanted in (datetime, date):
        return _moment(wanted, data, path)
    if dataclasses.is_dataclass(wanted):
        return read(wanted, data)  # type: ignore[arg-type]
    plain = origin or wanted
    # True is an int to Python; to nobody else.
    if not isinstance(data, plain) or (plain is int and isinstance(data, bool)):
        raise Unreadable(f"{path} is no {plain.__name__}")
    return data


def _moment(wanted: type[datetime] | type[date], data: object, path: str) -> date:
    """A time with its zone (RFC 3339), or a day."""
    try:
        moment = wanted.fromisoformat(str(data))
    except ValueError:
        raise Unreadable(f"{path} is no {wanted.__name__}") from None
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise Unreadable(f"{path} has no zone")
    return moment
