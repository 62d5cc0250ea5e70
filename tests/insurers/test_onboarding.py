"""How an insurer comes in: the whole table of steps, who may take them, and what each condition asks for."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from pytest_django import Settings

from accounts.models import AuditEntry, User
from core.errors import Forbidden, NotFound
from core.models import Transition
from core.row_security import EVERYTHING, seen_by
from insurers.models import Condition, Onboarding, OpenedModule, StageGrant
from insurers.selectors.docking import module_is_open
from insurers.selectors.onboarding import onboardings_visible_to
from insurers.services import onboarding as service
from insurers.states import ConditionKind, Module, OnboardingState, StageGrantSource
from tests.insurers.cast import NOW, TRACE, Cast
from tests.roles import as_role, refused, rows

LAST_DAY = date(2027, 12, 31)
S = OnboardingState


def apply(cast: Cast) -> Onboarding:
    with as_role("app"), seen_by([cast.insurer.pk]):
        return service.onboarding_apply(modules=[Module.CLAIM], user=cast.admin, now=NOW, trace_id=TRACE)


def hand_in(cast: Cast, onboarding: Onboarding, kind: ConditionKind, **changes: Any) -> None:
    wanted: dict[str, Any] = {"reference": f"{kind}-2026-1", "valid_until": LAST_DAY, "user": cast.admin, "now": NOW}
    with as_role("app"), seen_by([cast.insurer.pk]):
        service.condition_hand_in(onboarding_id=onboarding.pk, kind=kind, trace_id=TRACE, **(wanted | changes))


def checkers(cast: Cast) -> dict[ConditionKind, User]:
    return {
        ConditionKind.LICENCE: cast.operator,
        ConditionKind.CONTRACT: cast.operator,
        ConditionKind.ACCOUNT: cast.auditor,
        ConditionKind.CONTACT: cast.security,
        ConditionKind.MODULES: cast.system,
    }


def check(onboarding: Onboarding, kind: ConditionKind, user: User, *, met: bool = True, why: str = "") -> None:
    with as_role("app"), seen_by(EVERYTHING):
        service.condition_check(
            onboarding_id=onboarding.pk, kind=kind, met=met, why=why, user=user, now=NOW, trace_id=TRACE
        )


def checked(cast: Cast) -> Onboarding:
    """An application with every condition met by its own checker."""
    onboarding = apply(cast)
    for kind in ConditionKind:
        hand_in(cast, onboarding, kind)
    for kind, user in checkers(cast).items():
        check(onboarding, kind, user)
    return fresh(onboarding)


def fresh(onboarding: Onboarding) -> Onboarding:
    return Onboarding.objects.get(pk=onboarding.pk)


def open_sandbox(cast: Cast, onboarding: Onboarding) -> None:
    with as_role("app"), seen_by(EVERYTHING):
        service.sandbox_open(onboarding_id=onboarding.pk, user=cast.operator, now=NOW, trace_id=TRACE)


def grant(cast: Cast, onboarding: Onboarding, stage: S, source: StageGrantSource = StageGrantSource.DEMO) -> Onboarding:
    with as_role("app"), seen_by(EVERYTHING):
        return service.stage_grant(
            onboarding_id=onboarding.pk, stage=stage, source=source, user=cast.operator, now=NOW, trace_id=TRACE
        )


def test_an_insurer_comes_in_step_by_step(cast: Cast) -> None:
    onboarding = checked(cast)
    assert onboarding.state == S.CONDITIONS_CHECKED
    open_sandbox(cast, onboarding)
    grant(cast, onboarding, S.CERTIFIED)
    grant(cast, onboarding, S.LIVE)
    moves = Transition.objects.filter(entity_id=str(onboarding.pk)).order_by("id").values_list("to_state", "by")
    assert list(moves) == [
        (S.CONDITIONS_CHECKED, "xi"),
        (S.SANDBOX, "yun"),
        (S.CERTIFIED, "yun"),
        (S.LIVE, "yun"),
    ]
    assert list(StageGrant.objects.values_list("stage", "source")) == [(S.CERTIFIED, "DEMO"), (S.LIVE, "DEMO")]
    assert AuditEntry.objects.filter(action="condition.checked").count() == 5


def test_one_insurer_applies_once_and_only_by_its_own_administrators(cast: Cast) -> None:
    apply(cast)
    with pytest.raises(service.AlreadyApplied):
        apply(cast)
    for user in (cast.clerk, cast.operator):
        with pytest.raises(Forbidden):
            service.onboarding_apply(modules=[], user=user, now=NOW, trace_id=TRACE)


@pytest.mark.parametrize("kind", ConditionKind)
def test_each_condition_is_checked_by_its_own_role_only(cast: Cast, kind: ConditionKind) -> None:
    onboarding = apply(cast)
    hand_in(cast, onboarding, kind)
    right = checkers(cast)[kind]
    for user in {cast.operator, cast.auditor, cast.security, cast.system, cast.admin, cast.guard} - {right}:
        with pytest.raises(Forbidden):
            service.condition_check(
                onboarding_id=onboarding.pk, kind=kind, met=True, why="", user=user, now=NOW, trace_id=TRACE
            )
    check(onboarding, kind, right)
    assert Condition.objects.get(onboarding=onboarding, kind=kind).verdict == "MET"


def test_nothing_is_checked_before_it_is_handed_in_and_no_refusal_is_without_a_reason(cast: Cast) -> None:
    onboarding = apply(cast)
    with pytest.raises(service.ConditionUnclear, match="handed in"):
        check(onboarding, ConditionKind.LICENCE, cast.operator)
    hand_in(cast, onboarding, ConditionKind.LICENCE)
    with pytest.raises(service.ConditionUnclear, match="why"):
        check(onboarding, ConditionKind.LICENCE, cast.operator, met=False)
    check(onboarding, ConditionKind.LICENCE, cast.operator, met=False, why="The number is another company's.")
    assert fresh(onboarding).state == S.APPLIED


@pytest.mark.parametrize("kind", [ConditionKind.LICENCE, ConditionKind.CONTRACT])
def test_a_licence_and_a_contract_have_a_last_day_that_has_not_passed(cast: Cast, kind: ConditionKind) -> None:
    onboarding = apply(cast)
    for last_day in (None, date(2026, 11, 24)):
        with pytest.raises(service.ConditionUnclear):
            hand_in(cast, onboarding, kind, valid_until=last_day)
    hand_in(cast, onboarding, kind, valid_until=date(2026, 11, 25))


def test_the_last_day_is_counted_by_the_insurers_own_calendar(cast: Cast) -> None:
    onboarding = apply(cast)
    # 16:00 UTC is midnight in Shanghai: there the 25th has passed.
    late = NOW.replace(hour=16)
    with pytest.raises(service.ConditionUnclear):
        hand_in(cast, onboarding, ConditionKind.LICENCE, valid_until=date(2026, 11, 25), now=late)
    hand_in(
        cast,
        onboarding,
        ConditionKind.LICENCE,
        valid_until=date(2026, 11, 25),
        now=late - timedelta(microseconds=1),
    )


def test_a_new_paper_leads_back_to_the_beginning(cast: Cast) -> None:
    onboarding = checked(cast)
    hand_in(cast, onboarding, ConditionKind.ACCOUNT, reference="ACC-2")
    assert fresh(onboarding).state == S.APPLIED
    check(onboarding, ConditionKind.ACCOUNT, cast.auditor)
    assert fresh(onboarding).state == S.CONDITIONS_CHECKED


def test_a_licence_that_ran_out_meanwhile_stops_the_sandbox(cast: Cast) -> None:
    onboarding = checked(cast)
    with pytest.raises(service.ConditionsOpen, match="LICENCE, CONTRACT"):
        service.sandbox_open(
            onboarding_id=onboarding.pk, user=cast.operator, now=NOW + timedelta(days=600), trace_id=TRACE
        )
    assert fresh(onboarding).state == S.CONDITIONS_CHECKED


def test_contract_and_account_are_found_good_by_two_persons(cast: Cast) -> None:
    onboarding = apply(cast)
    hand_in(cast, onboarding, ConditionKind.CONTRACT)
    hand_in(cast, onboarding, ConditionKind.ACCOUNT)
    both = cast.operator
    both.roles = ["operator", "auditor"]
    both.save(update_fields=["roles"])
    check(onboarding, ConditionKind.CONTRACT, both)
    with pytest.raises(service.OwnPaper):
        check(onboarding, ConditionKind.ACCOUNT, both)


def test_no_step_is_skipped(cast: Cast) -> None:
    onboarding = checked(cast)
    for stage in (S.CERTIFIED, S.LIVE):
        with pytest.raises(service.StepNotNext):
            grant(cast, onboarding, stage)
    open_sandbox(cast, onboarding)
    with pytest.raises(service.StepNotNext):
        open_sandbox(cast, onboarding)
    with pytest.raises(service.StepNotNext):
        grant(cast, onboarding, S.LIVE)


def test_certified_and_live_come_by_a_demo_grant_only_and_never_in_production(cast: Cast, settings: Settings) -> None:
    onboarding = checked(cast)
    open_sandbox(cast, onboarding)
    with pytest.raises(service.GrantInvalid, match="conformance"):
        grant(cast, onboarding, S.CERTIFIED, StageGrantSource.CERTIFICATE)
    settings.ENVIRONMENT = "production"
    with pytest.raises(service.GrantInvalid, match="production"):
        grant(cast, onboarding, S.CERTIFIED)
    assert fresh(onboarding).state == S.SANDBOX
    assert StageGrant.objects.count() == 0


@pytest.mark.parametrize("steps", range(4))
def test_a_suspended_insurer_comes_back_to_where_it_was(cast: Cast, steps: int) -> None:
    onboarding = checked(cast)
    for step in (open_sandbox, lambda c, o: grant(c, o, S.CERTIFIED), lambda c, o: grant(c, o, S.LIVE))[:steps]:
        step(cast, onboarding)
    before = fresh(onboarding).state
    with as_role("app"), seen_by(EVERYTHING):
        common: dict[str, Any] = {"onboarding_id": onboarding.pk, "user": cast.operator, "now": NOW, "trace_id": TRACE}
        service.onboarding_suspend(reason="account closed", **common)
        assert fresh(onboarding).state == S.SUSPENDED
        with pytest.raises(service.StepNotNext):
            service.onboarding_suspend(reason="again", **common)
        service.onboarding_resume(reason="account open", **common)
    assert fresh(onboarding).state == before


def test_modules_are_switched_on_and_off_and_never_forgotten(cast: Cast) -> None:
    onboarding = apply(cast)
    for is_open in (False, False, True, True):
        with as_role("app"), seen_by([cast.insurer.pk]):
            service.module_set(
                onboarding_id=onboarding.pk,
                module=Module.CLAIM,
                is_open=is_open,
                user=cast.admin,
                now=NOW,
                trace_id=TRACE,
            )
        assert module_is_open(organisation_id=cast.insurer.pk, module=Module.CLAIM) == is_open
    assert OpenedModule.objects.count() == 2


def test_a_stranger_sees_and_touches_nothing_of_it(cast: Cast) -> None:
    onboarding = apply(cast)
    with as_role("app"), seen_by([cast.stranger.pk]):
        assert not onboardings_visible_to(user=cast.stranger_clerk).exists()
        for table in ("onboarding", "condition", "openedmodule", "stagegrant"):
            assert rows(f"SELECT id FROM insurers_{table}") == []
        with pytest.raises(NotFound):
            service.condition_hand_in(
                onboarding_id=onboarding.pk,
                kind=ConditionKind.CONTACT,
                reference="X",
                valid_until=None,
                user=cast.stranger_guard,
                now=NOW,
                trace_id=TRACE,
            )


def test_by_the_selectors_alone_a_stranger_sees_nothing_either(cast: Cast) -> None:
    apply(cast)
    assert not onboardings_visible_to(user=cast.stranger_clerk).exists()
    assert onboardings_visible_to(user=cast.clerk).count() == 1
    assert onboardings_visible_to(user=cast.operator).count() == 1


def test_the_database_lets_no_insurer_find_itself_good(cast: Cast) -> None:
    onboarding = apply(cast)
    hand_in(cast, onboarding, ConditionKind.LICENCE)
    with as_role("app"), seen_by([cast.insurer.pk]):
        with refused("row-level security"):
            rows("UPDATE insurers_condition SET verdict = 'MET', checked_by = 'x' WHERE kind = 'LICENCE'")
        with refused("row-level security"):
            rows("UPDATE insurers_onboarding SET state = 'CONDITIONS_CHECKED', version = version + 1")
        with refused("row-level security"):
            rows(
                "INSERT INTO insurers_stagegrant (id, onboarding_id, organisation_id, stage, source, by, at) "
                "VALUES (gen_random_uuid(), %s, %s, 'LIVE', 'DEMO', 'x', now())",
                [onboarding.pk, cast.insurer.pk],
            )


def test_the_database_refuses_each_jump(cast: Cast) -> None:
    onboarding = apply(cast)
    for state in (S.SANDBOX, S.CERTIFIED, S.LIVE):
        with pytest.raises(DatabaseError, match="may not go"), transaction.atomic():
            rows("UPDATE insurers_onboarding SET state = %s, version = version + 1", [state])
    with refused("never deleted"):
        rows("DELETE FROM insurers_condition WHERE onboarding_id = %s", [onboarding.pk])


def test_nobody_checks_what_he_handed_in_says_the_database_too(cast: Cast) -> None:
    onboarding = apply(cast)
    hand_in(cast, onboarding, ConditionKind.LICENCE)
    with refused("nobody_checks_what_he_handed_in"):
        rows("UPDATE insurers_condition SET verdict = 'MET', checked_by = handed_in_by WHERE kind = 'LICENCE'")
