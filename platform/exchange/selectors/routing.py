"""Routing by the data: which interface a wish goes to, by scheme, region, person and day. And why."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from core.errors import Problem
from exchange.models import Route

FRESH_SECONDS = 2.0
ANY = "*"
ASKED_LIMIT = 20  # Insurers that are asked one after the other who covers a person.


class NoRoute(Problem):
    code = "no_route"
    status = 422
    title = "No insurer is known for this person"
    detail = "No insurer is connected for scheme {scheme} in region {region} on {on}."
    detail_zh = "险种 {scheme}、统筹区 {region} 在 {on} 没有已接入的保险方。"
    fix = "Check insurance.scheme and insurance.region; if they are right, ask the operators to add the route."
    fix_zh = "请核对 insurance.scheme 和 insurance.region；如无误，请联系平台运营人员增加路由。"


@dataclass(frozen=True, slots=True)
class RouteRule:
    id: int
    scheme: str
    region: str
    person_index: bytes | None
    valid_from: date
    valid_to: date | None
    interface_id: int
    interface_code: str
    lane_id: int

    def refuses(self, *, scheme: str, region: str, person_index: bytes, on: date) -> str:
        """Why this rule does not apply; empty when it does."""
        if self.person_index is not None and self.person_index != person_index:
            return "for another person"
        if self.scheme not in (ANY, scheme):
            return f"for scheme {self.scheme}"
        if self.region not in (ANY, region):
            return f"for region {self.region}"
        if on < self.valid_from:
            return f"begins on {self.valid_from}"
        if self.valid_to is not None and on > self.valid_to:
            return f"ended on {self.valid_to}"
        return ""

    @property
    def precedence(self) -> tuple[bool, bool, bool, date]:
        """A person's rule goes first, then named scheme and region before any; of two equal ones the later."""
        return (self.person_index is not None, self.scheme != ANY, self.region != ANY, self.valid_from)


class _Cache:
    def __init__(self) -> None:
        self.rules: list[RouteRule] = []
        self.read_at = float("-inf")

    def get(self) -> list[RouteRule]:
        if time.monotonic() - self.read_at > FRESH_SECONDS:
            self.rules = route_rules()
            self.read_at = time.monotonic()
        return self.rules


_cache = _Cache()


def routes_forget() -> None:
    """Empty this process's memory."""
    _cache.read_at = float("-inf")


def route_rules() -> list[RouteRule]:
    """All rules, those that go first first."""
    rules = [
        RouteRule(
            id=row.pk,
            scheme=row.scheme,
            region=row.region,
            person_index=bytes(row.person_index) if row.person_index is not None else None,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            interface_id=row.interface_id,
            interface_code=row.interface.code,
            lane_id=row.interface.lane_id,
        )
        for row in Route.objects.select_related("interface")
    ]
    return sorted(rules, key=lambda rule: rule.precedence, reverse=True)


def route_find(*, scheme: str, region: str, person_index: bytes, on: date) -> RouteRule:
    """The rule that a wish follows. Raises NoRoute. Rules are at most FRESH_SECONDS old."""
    for rule in _cache.get():
        if not rule.refuses(scheme=scheme, region=region, person_index=person_index, on=on):
            return rule
    raise NoRoute(scheme=scheme or "(none)", region=region or "(none)", on=on)


def coverage_routes(*, person_index: bytes, on: date) -> list[RouteRule]:
    """Whom to ask where the hospital does not know who covers the person: one rule per interface, in order of asking.

    A rule for this very person is the answer already. Raises NoRoute. Rules are at most FRESH_SECONDS old.
    """
    in_force = [
        rule
        for rule in _cache.get()
        if rule.person_index in (None, person_index) and rule.valid_from <= on and (rule.valid_to or on) >= on
    ]
    named = [rule for rule in in_force if rule.person_index is not None]
    chosen = {rule.interface_id: rule for rule in reversed(named[:1] or in_force)}
    if not chosen:
        raise NoRoute(scheme="(none)", region="(none)", on=on)
    return sorted(chosen.values(), key=lambda rule: rule.interface_code)[:ASKED_LIMIT]


def route_explain(*, scheme: str, region: str, person_index: bytes, on: date) -> Sequence[tuple[RouteRule, str]]:
    """Every rule in order with its verdict: `chosen`, `would apply, but comes later`, or why not."""
    chosen = False
    lines: list[tuple[RouteRule, str]] = []
    for rule in route_rules():
        refusal = rule.refuses(scheme=scheme, region=region, person_index=person_index, on=on)
        lines.append((rule, refusal or ("would apply, but comes later" if chosen else "chosen")))
        chosen = chosen or not refusal
    return lines
