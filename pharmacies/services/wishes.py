"""The patient's word on where he gets his drug: shops in his order, a place to be near, how far he goes unasked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from claims.selectors.claims import claim_by_id
from core.crypto import unseal
from core.errors import NotFound, Problem
from core.ids import uuid7
from pharmacies.models import ShopWish
from pharmacies.ranking import Wished
from registry.selectors.shops import shop_by_id
from registry.services.persons import person_seal

FARTHEST_METRES = 20_000
SHOPS_MOST = 10


class WishInvalid(Problem):
    code = "shop_wish_invalid"
    status = 422
    title = "This wish cannot be kept"
    detail = "{field}: {explanation}"
    detail_zh = "取药意愿无效，{field}：{explanation_zh}"
    fix = "Correct that field; nothing was stored."
    fix_zh = "请更正该项；本次未保存任何内容。"


@dataclass(frozen=True, slots=True)
class Place:
    """Millionths of degrees. Never to be logged."""

    latitude_micro: int
    longitude_micro: int


@transaction.atomic
def wish_set(
    *,
    claim_id: UUID,
    shop_ids: Sequence[UUID] = (),
    only_these: bool = False,
    place: Place | None = None,
    farthest_metres: int = FARTHEST_METRES,
    by: str,
    now: datetime,
) -> ShopWish:
    """What the patient wishes for a claim, in place of what he wished before. Raises NotFound, WishInvalid."""
    claim = claim_by_id(claim_id=claim_id)
    if claim is None:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    wished = list(dict.fromkeys(shop_ids))
    if len(wished) > SHOPS_MOST or any(shop_by_id(shop_id=one) is None for one in wished):
        raise WishInvalid(
            field="shops", explanation=f"unknown, or more than {SHOPS_MOST}", explanation_zh="门店不存在或超过 10 家"
        )
    if only_these and not wished:
        raise WishInvalid(field="shops", explanation="only these, and none is named", explanation_zh="未选择门店")
    if not 0 <= farthest_metres <= 5_000_000:
        raise WishInvalid(field="farthest_metres", explanation="no distance", explanation_zh="距离无效")
    values = {
        "person_id": claim.person_id,
        "shop_ids": [str(one) for one in wished],
        "only_these": only_these,
        "farthest_metres": farthest_metres,
        "sealed_place": None if place is None else _sealed(place, claim.person_id, claim_id, now),
        "changed_at": now,
        "changed_by": by,
    }
    row, _ = ShopWish.objects.update_or_create(
        claim_id=claim_id, defaults=values, create_defaults={**values, "id": uuid7(now)}
    )
    return row


def wished_of(*, claim_id: UUID) -> tuple[Wished, Place | None]:
    """What was wished for a claim, and the place to be near. Without a wish: within FARTHEST_METRES, anywhere."""
    row = ShopWish.objects.filter(claim_id=claim_id).first()
    if row is None:
        return Wished(farthest_metres=FARTHEST_METRES), None
    wished = Wished(
        shop_ids=[UUID(one) for one in row.shop_ids], only_these=row.only_these, farthest_metres=row.farthest_metres
    )
    if row.sealed_place is None:
        return wished, None
    latitude, longitude = json.loads(unseal(row.sealed_place, context=_context(claim_id)))
    return wished, Place(latitude, longitude)


@transaction.atomic
def wish_go_farther(*, claim_id: UUID, metres: int, by: str, now: datetime) -> None:
    """He goes so far for this claim. Raises NotFound."""
    claim = claim_by_id(claim_id=claim_id)
    if claim is None:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    values = {"farthest_metres": metres, "changed_at": now, "changed_by": by}
    ShopWish.objects.update_or_create(
        claim_id=claim_id,
        defaults=values,
        create_defaults={**values, "id": uuid7(now), "person_id": claim.person_id},
    )


def _sealed(place: Place, person_id: UUID, claim_id: UUID, now: datetime) -> bytes:
    plain = json.dumps([place.latitude_micro, place.longitude_micro]).encode()
    return person_seal(plain, person_id=person_id, context=_context(claim_id), now=now)


def _context(claim_id: UUID) -> str:
    return f"shop-wish:{claim_id}"
