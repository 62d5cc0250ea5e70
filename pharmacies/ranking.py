"""Which shop is asked next: the patient's choice first, then the one that is near and not busy. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

ANSWER_WITHIN = timedelta(hours=2)
NEAR_METRES = 1_000  # Shops in one such ring are equally near: the less busy one is asked.


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A live shop with all lines on the shelf. `distance_metres` None: nobody knows where the patient would be."""

    shop_id: UUID
    dual_channel: bool
    distance_metres: int | None
    orders_open: int
    orders_at_once: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """Shops in the patient's order, and how far he goes without being asked; None: as far as need be."""

    shop_ids: Sequence[UUID] = ()
    only_these: bool = False
    farthest_metres: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The shop to ask, or how far the nearest one is that the patient has to agree to; neither: nobody has it."""

    shop: Candidate | None
    farther_metres: int | None = None


def best_shop(
    candidates: Sequence[Candidate], *, wished: Wished, asked: Collection[UUID], needs_dual_channel: bool
) -> Choice:
    """The next shop of those that were not asked yet and are not full."""
    places = {shop_id: place for place, shop_id in enumerate(wished.shop_ids)}

    def key(one: Candidate) -> tuple[object, ...]:
        metres = one.distance_metres or 0
        return (
            places.get(one.shop_id, len(places)),
            needs_dual_channel and not one.dual_channel,
            metres // NEAR_METRES,
            one.orders_open / one.orders_at_once,
            metres,
            one.shop_id,
        )

    free = [one for one in candidates if one.shop_id not in asked and one.orders_open < one.orders_at_once]
    if wished.only_these:
        free = [one for one in free if one.shop_id in places]
    near = [one for one in free if one.shop_id in places or not _too_far(one, wished)]
    if near:
        return Choice(min(near, key=key))
    return Choice(None, min((one.distance_metres or 0 for one in free), default=None))


def answer_by(*, now: datetime, opens_minute: int, closes_minute: int, zone: ZoneInfo) -> datetime:
    """Two hours of the shop's day: at night they begin when it opens."""
    here = now.astimezone(zone)
    minute = here.hour * 60 + here.minute
    if opens_minute <= minute < closes_minute:
        return now + ANSWER_WITHIN
    day = here.date() + timedelta(days=1 if minute >= closes_minute else 0)
    opens = datetime(day.year, day.month, day.day, opens_minute // 60, opens_minute % 60, tzinfo=zone)
    return opens.astimezone(now.tzinfo) + ANSWER_WITHIN


def _too_far(one: Candidate, wished: Wished) -> bool:
    far = wished.farthest_metres
    return far is not None and one.distance_metres is not None and one.distance_metres > far
