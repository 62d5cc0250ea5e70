"""A contract says everything, or it is not signed; limits follow from it, and nobody signs alone."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from typing import Any

import pytest

from core.row_security import EVERYTHING
from ledger.services import BookKey, BookKind, rooms_lock
from registry.states import ConfirmationMode
from settlement.contracts import ContractInvalid, parse
from settlement.models import CreditLine
from settlement.selectors.contracts import ContractMissing, contract_on, line_minor
from settlement.services.contracts import (
    ContractNeedsAnother,
    LineInvalid,
    contract_sign,
    credit_line_set,
    lines_restore,
)
from settlement.states import Bearer, LineKind, RefusalClass
from tests.registry.house import FIRST_DAY, NOW, TODAY
from tests.roles import as_role, refused, rows
from tests.settlement.house import COLLEAGUE, CONTRACT, DESK, LINE, Desk, claimed, held, line_of


def body(**changes: Any) -> dict[str, Any]:
    return {**deepcopy(dict(CONTRACT)), **changes}


def test_the_default_table_names_a_bearer_for_every_class_in_every_mode() -> None:
    terms = parse(CONTRACT)
    for refusal in RefusalClass:
        for mode in ConfirmationMode:
            assert terms.bearer(refusal, mode) in Bearer
    assert terms.bearer(RefusalClass.WITHIN_AUTHORITY, ConfirmationMode.DELEGATED) == Bearer.INSURER
    assert terms.bearer(RefusalClass.REVIEW_ERROR, ConfirmationMode.AFTER) == Bearer.PLATFORM
    assert terms.bearer(RefusalClass.WRONG_LOT, ConfirmationMode.AFTER) == Bearer.PHARMACY
    assert terms.bearer(RefusalClass.FALSE_MATERIALS, ConfirmationMode.REIMBURSE) == Bearer.PATIENT


def test_a_reason_that_the_contract_does_not_know_is_other() -> None:
    assert parse(CONTRACT).refusal_class("policy_void") == RefusalClass.POLICY_VOID
    assert parse(CONTRACT).refusal_class("something_new") == RefusalClass.OTHER


def without(place: str) -> dict[str, Any]:
    return {name: value for name, value in body().items() if name != place}


def one_bearer_less() -> dict[str, Any]:
    table = deepcopy(CONTRACT["recourse"])
    del table["WRONG_LOT"]["AFTER"]
    return body(recourse=table)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (without("stop_after_days"), "stop_after_days"),
        (body(extra=1), "extra"),
        (body(stop_after_days=-1), "stop_after_days"),
        (body(stop_after_days=True), "stop_after_days"),
        (body(payee_rests_hours="24"), "payee_rests_hours"),
        (one_bearer_less(), "recourse.WRONG_LOT.AFTER"),
        (body(recourse={}), "recourse.WITHIN_AUTHORITY"),
        (body(recourse=[]), "recourse"),
        (body(refusal_classes={"x": "NOBODY"}), "refusal_classes.x"),
        (body(funders=[]), "funders"),
        (body(funders=["OWN", "OWN"]), "funders"),
        (body(fees=[{"kind": "PER_CENT"}]), "fees[0].amount_minor"),
        (body(fees=[{**CONTRACT["fees"][0], "basis_points": 0}]), "fees[0]"),
        (body(fees=[{**CONTRACT["fees"][0], "kind": "PER_CLAIM"}]), "fees[0]"),
        (body(fees="none"), "fees"),
    ],
)
def test_what_is_missing_or_wrong_is_named(given: dict[str, Any], place: str) -> None:
    with pytest.raises(ContractInvalid) as problem:
        parse(given)
    assert problem.value.fields["place"] == place


def test_nobody_signs_a_contract_alone(desk: Desk) -> None:
    with pytest.raises(ContractNeedsAnother):
        contract_sign(
            organisation_id=desk.insurer.pk,
            effective_from=FIRST_DAY,
            body=CONTRACT,
            drafted_by=DESK,
            by=DESK,
            now=NOW,
        )


def test_the_contract_of_the_day_counts(desk: Desk) -> None:
    contract_sign(
        organisation_id=desk.insurer.pk,
        effective_from=date(2026, 12, 1),
        body=body(stop_after_days=30),
        drafted_by=DESK,
        by=COLLEAGUE,
        now=NOW,
    )
    assert contract_on(organisation_id=desk.insurer.pk, on=TODAY).terms.stop_after_days == 60
    assert contract_on(organisation_id=desk.insurer.pk, on=date(2026, 12, 1)).terms.stop_after_days == 30
    with pytest.raises(ContractMissing):
        contract_on(organisation_id=desk.insurer.pk, on=date(2025, 12, 31))
    with pytest.raises(ContractMissing):
        contract_on(organisation_id=desk.shelf.stranger.pk, on=TODAY)


@pytest.mark.parametrize(("minor", "reason"), [(-1, "agreed"), (1, " "), (True, "agreed")])
def test_a_line_is_an_amount_with_a_reason(desk: Desk, minor: int, reason: str) -> None:
    with pytest.raises(LineInvalid):
        credit_line_set(organisation_id=desk.insurer.pk, amount_minor=minor, reason=reason, by=DESK, now=NOW)


def room(desk: Desk) -> tuple[int, int]:
    """What is taken of the insurer's line, and the ledger's limit."""
    key = (BookKey(desk.platform.pk, desk.insurer.pk, BookKind.ADVANCE), "exposure", "CNY")
    found = rooms_lock(accounts=[key], now=NOW)[key]
    return found.taken_minor, found.limit_minor


def test_a_line_below_what_is_taken_stops_new_ones_and_sinks_as_room_comes_back(desk: Desk) -> None:
    claim = claimed(desk)
    held(desk, claim, 300_000)
    line_of(desk, 100_000)
    assert room(desk) == (300_000, 300_000)
    assert line_minor(organisation_id=desk.insurer.pk, kind=LineKind.INSURER) == 100_000
    held(desk, claim, 150_000)
    assert lines_restore(now=NOW, limit=10) == 1
    assert room(desk) == (150_000, 150_000)
    assert lines_restore(now=NOW, limit=10) == 0


def test_an_insurer_sees_its_own_line_and_nobody_else_does(desk: Desk) -> None:
    def seen(organisation_id: int | str) -> int:
        rows("SELECT set_config('medisettle.organisations', %s, true)", [str(organisation_id)])
        return CreditLine.objects.count()

    with as_role("app"):
        assert seen(desk.insurer.pk) == 1
        assert seen(desk.shelf.stranger.pk) == 0
        assert seen(EVERYTHING) == 2
        seen(desk.insurer.pk)
        with refused("row-level security"):
            rows(
                "INSERT INTO settlement_creditline (id, organisation_id, kind, number, amount_minor, currency, reason, "
                "set_by, set_at) VALUES (gen_random_uuid(), %s, 'INSURER', 9, %s, 'CNY', 'mine', 'me', now())",
                [desk.insurer.pk, LINE * 10],
            )
        seen(EVERYTHING)
