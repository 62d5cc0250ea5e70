"""A pack counts once another person has published it, and only while all its cases come out as they say."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from core.errors import NotFound
from core.ids import new_trace_id
from core.row_security import EVERYTHING, seen_by
from prereview.models import RulePack
from prereview.rules.packs import PackInvalid
from prereview.rules.standing import BODY, CASES
from prereview.selectors.runs import pack_in_force, packs_of
from prereview.services.packs import PackFails, PackMoved, PackNeedsAnother, pack_draft, pack_publish, pack_withdraw
from tests.registry.house import NOW, Shelf, make_shelf
from tests.roles import as_role, refused, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def shelf() -> Shelf:
    return make_shelf()


def draft(shelf: Shelf, cases: list[dict[str, Any]] | None = None, **changes: Any) -> RulePack:
    return pack_draft(
        product_code=shelf.product.pk,
        body=deepcopy(BODY) | changes,
        cases=deepcopy(CASES) if cases is None else cases,
        note="the first",
        by="drafter",
        now=NOW,
        trace_id=new_trace_id(),
    )


def publish(pack: RulePack, by: str = "publisher", version: int = 0) -> RulePack:
    return pack_publish(pack_id=pack.pk, version=version, by=by, now=NOW, trace_id=new_trace_id())


def test_without_a_published_pack_the_standing_one_counts(shelf: Shelf) -> None:
    draft(shelf)
    force = pack_in_force(product_code=shelf.product.pk)
    assert (force.row, force.number) == (None, 1)


def test_a_published_pack_counts_and_the_next_takes_its_place(shelf: Shelf) -> None:
    first = publish(draft(shelf))
    assert pack_in_force(product_code=shelf.product.pk).row == first
    second = publish(draft(shelf, sample_basis_points=100))
    force = pack_in_force(product_code=shelf.product.pk)
    assert (force.row, force.number, force.pack.sample_basis_points) == (second, 2, 100)
    versions = packs_of(product_code=shelf.product.pk)
    assert [(pack.number, pack.state) for pack in versions] == [(2, "PUBLISHED"), (1, "RETIRED")]


def test_a_pack_whose_case_fails_is_not_published_and_the_one_before_still_counts(shelf: Shelf) -> None:
    first = publish(draft(shelf))
    wrong = {"name": "never", "rule": "waiting_days", "passes": False, "changes": {}}
    with pytest.raises(PackFails) as caught:
        publish(draft(shelf, cases=[*CASES, wrong]))
    assert "never: waiting_days passes" in caught.value.text("detail")
    assert "never" in caught.value.text("detail_zh")
    assert pack_in_force(product_code=shelf.product.pk).row == first


def test_a_pack_without_cases_is_not_published(shelf: Shelf) -> None:
    with pytest.raises(PackFails):
        publish(draft(shelf, cases=[]))


def test_the_drafter_does_not_publish(shelf: Shelf) -> None:
    with pytest.raises(PackNeedsAnother):
        publish(draft(shelf), by="drafter")


def test_nobody_publishes_what_he_has_not_seen(shelf: Shelf) -> None:
    pack = draft(shelf)
    with pytest.raises(PackMoved):
        publish(pack, version=1)
    pack_withdraw(pack_id=pack.pk, version=0, by="drafter", now=NOW, trace_id=new_trace_id())
    with pytest.raises(PackMoved):
        publish(pack, version=1)


def test_a_pack_that_cannot_be_read_is_not_stored(shelf: Shelf) -> None:
    with pytest.raises(PackInvalid):
        draft(shelf, rules=[])
    with pytest.raises(NotFound):
        pack_draft(product_code="none", body={}, cases=[], note="", by="d", now=NOW, trace_id=new_trace_id())
    assert not RulePack.objects.exists()


def test_the_database_keeps_published_packs_as_they_are(shelf: Shelf) -> None:
    pack = publish(draft(shelf))
    with refused("a published pack does not change"):
        rows("UPDATE prereview_rulepack SET body = '{}', version = version + 1 WHERE id = %s", [pack.pk])
    with refused("never deleted"):
        rows("DELETE FROM prereview_rulepack WHERE id = %s", [pack.pk])


def test_an_insurer_reads_its_own_packs_and_writes_none(shelf: Shelf) -> None:
    pack = publish(draft(shelf))
    with as_role("app"):
        with seen_by([shelf.insurer.pk]):
            assert list(RulePack.objects.all()) == [pack]
            with refused("row-level security"):
                draft(shelf)
        with seen_by([shelf.stranger.pk]):
            assert not RulePack.objects.exists()
        with seen_by(EVERYTHING):
            assert draft(shelf).number == 2
