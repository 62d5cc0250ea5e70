"""How the hospital's programs reach the platform: addresses, keys, a self-test; and who is on call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib import messages
from django.db.models import Max, Min
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext

from accounts.models import ClientKey, User
from accounts.selectors import client_keys_visible_to, users_visible_to
from accounts.services import client_key_revoke, client_key_rotate
from accounts.states import Role
from core.clock import database_now
from core.errors import Problem
from core.ids import new_trace_id
from exchange.selectors.desk import four_eyes_minor_of, on_call_of
from exchange.selectors.lanes import lane_links
from exchange.selectors.messages import message_path
from exchange.services.desk import on_call_set
from exchange.states import TransactionState
from hospitals.portal.acting import refused
from hospitals.portal.reading import transactions_of
from portal.acting import reader
from portal.labels import label
from portal.selectors import organisations_of
from portal.site import PortalSite

# A program has this long to take the new key before the old one ends.
GRACE = timedelta(days=7)
_ON_CALL_ROLES = (Role.HOSPITAL_BACK_OFFICE, Role.HOSPITAL_CASHIER)
FRESH = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Check:
    """One question of the self-test. `tone`: ok, wait or bad; `fix`: who mends it; `code`: whom it asks about."""

    title: str
    tone: str
    found: str
    fix: str = ""
    code: str = ""


def connection(site: PortalSite, request: HttpRequest) -> HttpResponse:
    user, now = reader(request), database_now()
    back_office = user.has_role(Role.HOSPITAL_BACK_OFFICE)
    if request.method == "POST":
        return _changed(site, request, user, now)
    own = request.build_absolute_uri("/api/his/v1/")
    colleagues = users_visible_to(user=user).filter(organisation_id=user.organisation_id, is_active=True)
    context = {
        "now": now,
        "addresses": [f"{address.rstrip('/')}/api/his/v1/" for address in settings.LISTENERS] or [own],
        "keys": [(key, _key_state(key.revoked_at, key.expires_at, now)) for key in _keys(user)],
        "checks": _checks(user, now) if "test" in request.GET else [],
        "may_change": back_office,
        "on_call": on_call_of(user.organisation_id),
        "colleagues": sorted((one.username, one.display_name) for one in colleagues if one.has_role(*_ON_CALL_ROLES)),
        "limit_minor": four_eyes_minor_of(user.organisation_id),
        "grace_days": GRACE.days,
    }
    return site.show(request, "portals/hospital/connection.html", context, title=gettext("Connection"))


def _keys(user: User) -> list[ClientKey]:
    return list(client_keys_visible_to(user=user).order_by("revoked_at", "name", "-created_at"))


def _key_state(revoked_at: datetime | None, expires_at: datetime | None, now: datetime) -> str:
    if revoked_at is not None:
        return "revoked"
    if expires_at is not None:
        return "expired" if expires_at <= now else "ending"
    return "live"


def _changed(site: PortalSite, request: HttpRequest, user: User, now: datetime) -> HttpResponse:
    """A key rotated or revoked, or another person on call: by the back office only."""
    trace_id, back, what = new_trace_id(), site.address("connection"), request.POST.get("what", "")
    try:
        if what == "on_call":
            on_call_set(username=request.POST.get("username", ""), user=user, trace_id=trace_id, now=now)
            messages.success(request, gettext("Saved."))
            return HttpResponseRedirect(back)
        number = request.POST.get("key", "")
        wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 16 else 0
        key = client_keys_visible_to(user=user).filter(pk=wanted).first()
        if key is None or what not in ("rotate", "revoke") or not user.has_role(Role.HOSPITAL_BACK_OFFICE):
            return site.missing(request, gettext("There is no such key that you may change."))
        if what == "revoke":
            client_key_revoke(key_id=key.pk, actor=user.username, now=now, trace_id=trace_id)
            messages.success(request, gettext("Revoked. Whoever still uses it is refused within seconds."))
            return HttpResponseRedirect(back)
        ends_at = now + GRACE
        plain = client_key_rotate(
            key_id=key.pk, old_expires_at=ends_at, actor=user.username, now=now, trace_id=trace_id
        )
    except Problem as problem:
        return refused(site, request, problem, row=None, back=back, trace_id=trace_id)
    context = {"key": key, "plain": plain, "ends_at": ends_at}
    return site.show(request, "portals/hospital/new_key.html", context, title=gettext("New key"))


def _checks(user: User, now: datetime) -> list[Check]:
    """What can be known from here of the way HIS -> listener -> worker -> insurer."""
    return [_check_programs(user, now), _check_workers(user, now), _check_archive(user), *_check_lanes(now)]


def _check_programs(user: User, now: datetime) -> Check:
    title = gettext("The HIS reaches us")
    last = client_keys_visible_to(user=user).aggregate(last=Max("last_used_at"))["last"]
    if last is None:
        fix = gettext("Enter an address and a key of this page in the HIS, then ask for the lanes there.")
        return Check(title, "bad", gettext("No key was ever used."), fix)
    if now - last > FRESH:
        return Check(
            title, "wait", gettext("No key was used for more than a day."), gettext("Look whether the HIS runs.")
        )
    return Check(title, "ok", gettext("A key was used within the last day."))


def _check_workers(user: User, now: datetime) -> Check:
    title = gettext("Workers take what is stored")
    waiting = transactions_of(user=user).filter(state=TransactionState.RECEIVED).order_by()
    since = waiting.aggregate(since=Min("received_at"))["since"]
    if since is not None and now - since > timedelta(seconds=settings.PATIENCE_SECONDS):
        fix = gettext("Tell the platform's operators; a paused link on Today is another reason.")
        return Check(title, "bad", gettext("Fees wait for longer than they should."), fix)
    return Check(title, "ok", gettext("No fee waits for a worker."))


def _check_archive(user: User) -> Check:
    title = gettext("Stored messages can be opened")
    row = transactions_of(user=user).exclude(body_digest=b"").first()
    if row is None:
        return Check(title, "wait", gettext("Nothing is stored yet."))
    if message_path(transaction=row, organisations=organisations_of(user)).wish.sealed_away:
        return Check(title, "bad", gettext("The latest one cannot."), gettext("Tell the platform's operators."))
    return Check(title, "ok", gettext("The latest one opens with its key."))


def _check_lanes(now: datetime) -> list[Check]:
    tones = {"open": "ok", "slow": "wait"}
    title = gettext("Link to")
    return [
        Check(
            title,
            tones.get(link.state, "bad"),
            str(label("lane", link.state)),
            "" if link.state == "open" else gettext("Today says what to do."),
            link.insurer,
        )
        for link in lane_links(now=now)
    ]
