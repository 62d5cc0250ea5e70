"""Where the insurer stands on its way in, what is missing, and who looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from accounts.models import User
from core.clock import database_now
from core.ids import new_trace_id
from insurers.models import Condition, Onboarding
from insurers.selectors.onboarding import onboardings_visible_to
from insurers.services.onboarding import (
    APPLICANTS,
    CHECKERS,
    ENDS,
    condition_hand_in,
    module_set,
    onboarding_apply,
)
from insurers.states import ConditionKind, Module, OnboardingState
from portal.acting import done_or_refused, reader
from portal.site import PortalSite

STEPS = (
    OnboardingState.APPLIED,
    OnboardingState.CONDITIONS_CHECKED,
    OnboardingState.SANDBOX,
    OnboardingState.CERTIFIED,
    OnboardingState.LIVE,
)
TAKES_PAPERS = (OnboardingState.APPLIED, OnboardingState.CONDITIONS_CHECKED)


@dataclass(frozen=True, slots=True)
class ConditionShown:
    condition: Condition
    checker: str
    has_end: bool


def onboarding(site: PortalSite, request: HttpRequest) -> HttpResponse:
    user = reader(request)
    row = onboardings_visible_to(user=user).filter(organisation_id=user.organisation_id).first()
    if request.method == "POST":
        return _entered(site, request, user, row)
    context = {
        "now": database_now(),
        "row": row,
        "may_change": user.has_role(*APPLICANTS),
        "takes_papers": row is not None and row.state in TAKES_PAPERS,
        "steps": _steps(row),
        "conditions": _conditions(row),
        "modules": _modules(row),
    }
    return site.show(request, "portals/insurer/onboarding.html", context, title=gettext("Onboarding"))


def _steps(row: Onboarding | None) -> list[tuple[str, str]]:
    """Each step with its tone: behind us, here, ahead."""
    if row is None:
        return [(step, "plain") for step in STEPS]
    here = STEPS.index(OnboardingState(row.state_before or row.state))
    return [(step, "ok" if at < here else "wait" if at == here else "plain") for at, step in enumerate(STEPS)]


def _conditions(row: Onboarding | None) -> list[ConditionShown]:
    if row is None:
        return []
    found = {one.kind: one for one in row.conditions.all()}
    return [ConditionShown(found[kind], CHECKERS[kind], kind in ENDS) for kind in ConditionKind]


def _modules(row: Onboarding | None) -> list[tuple[str, bool]]:
    """Every module, and whether it is switched on."""
    opened = set() if row is None else set(row.modules.filter(closed_at__isnull=True).values_list("module", flat=True))
    return [(module.value, module.value in opened) for module in Module]


def _entered(site: PortalSite, request: HttpRequest, user: User, row: Onboarding | None) -> HttpResponse:
    trace_id, what = new_trace_id(), request.POST.get("what", "")
    if what == "apply":
        chosen = [Module(one) for one in request.POST.getlist("module") if one in Module.values]

        def apply() -> str:
            onboarding_apply(modules=chosen, user=user, now=database_now(), trace_id=trace_id)
            return gettext("Your application is there. Hand in what is listed below.")

        return done_or_refused(site, request, apply, back=site.address("onboarding"), trace_id=trace_id)
    known = {"hand_in": ConditionKind.values, "module": Module.values}
    if row is None or request.POST.get({"hand_in": "kind"}.get(what, "module"), "") not in known.get(what, []):
        return site.missing(request, gettext("There is nothing like that to be done here."))
    return done_or_refused(
        site,
        request,
        lambda: _do(request, user, row, what, trace_id),
        back=site.address("onboarding"),
        trace_id=trace_id,
    )


def _do(request: HttpRequest, user: User, row: Onboarding, what: str, trace_id: str) -> str:
    now = database_now()
    if what == "module":
        module_set(
            onboarding_id=row.pk,
            module=Module(request.POST["module"]),
            is_open=request.POST.get("open") == "1",
            user=user,
            now=now,
            trace_id=trace_id,
        )
        return gettext("Saved.")
    condition_hand_in(
        onboarding_id=row.pk,
        kind=ConditionKind(request.POST["kind"]),
        reference=request.POST.get("reference", "")[:200],
        valid_until=_day(request.POST.get("valid_until", "")),
        user=user,
        now=now,
        trace_id=trace_id,
    )
    return gettext("Handed in. The platform looks at it now.")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
