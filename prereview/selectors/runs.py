"""What the rules found on a claim, and which pack counts for a product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from prereview.models import RulePack, RuleRun
from prereview.rules.packs import Pack, pack_read
from prereview.rules.standing import NUMBER, standing_pack
from prereview.states import PackState


@dataclass(frozen=True, slots=True)
class PackInForce:
    """`row` is None for the standing pack."""

    pack: Pack
    number: int
    row: RulePack | None


def pack_in_force(*, product_code: str) -> PackInForce:
    """The published pack of the product, or the standing one where its insurer has published none."""
    row = RulePack.objects.filter(product_id=product_code, state=PackState.PUBLISHED).first()
    if row is None:
        return PackInForce(standing_pack(), NUMBER, None)
    return PackInForce(pack_read(row.body), row.number, row)


def packs_of(*, product_code: str) -> QuerySet[RulePack]:
    """All versions that the asker may see, the latest first."""
    return RulePack.objects.filter(product_id=product_code).order_by("-number")


def run_latest(*, claim_id: UUID) -> RuleRun | None:
    """The last run with its results."""
    return RuleRun.objects.prefetch_related("results").filter(claim_id=claim_id).order_by("-at", "-pk").first()


def runs_latest(*, claim_ids: Sequence[UUID]) -> dict[UUID, RuleRun]:
    """The last run of each of these claims, with its results."""
    rows = RuleRun.objects.prefetch_related("results").filter(claim_id__in=claim_ids)
    return {run.claim_id: run for run in rows.order_by("claim_id", "-at", "-pk").distinct("claim_id")}
