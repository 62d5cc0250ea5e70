"""The authority matrix: who may decide what, alone and as the second name; changed by the security administrator."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.selectors import users_visible_to
from accounts.states import Role
from core.clock import database_now
from core.ids import new_trace_id
from insurers.selectors.authority import authorities_visible_to
from insurers.services.authority import GRANTERS, authority_grant, authority_revoke
from portal.acting import done_or_refused, reader
from portal.forms import AmountField
from portal.site import PortalSite
from registry.models import Drug, Product

CURRENCY = "CNY"


class GrantForm(forms.Form):
    """A new line. Nothing chosen means: for all."""

    together = ("product", "drug")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "grant_%s", **kwargs})
        clerks = users_visible_to(user=user).filter(organisation_id=user.organisation_id, is_active=True)
        people = [(one.username, one.display_name) for one in clerks if one.has_role(Role.INSURER_CLERK)]
        products = Product.objects.filter(organisation_id=user.organisation_id).order_by("code")
        drugs = Drug.objects.order_by("code")
        self.fields["username"] = forms.ChoiceField(label=_("Clerk"), choices=people)
        self.fields["product"] = forms.ChoiceField(
            label=_("Product"), required=False, choices=[("", _("All")), *((one.code, one.code) for one in products)]
        )
        self.fields["drug"] = forms.ChoiceField(
            label=_("Drug"), required=False, choices=[("", _("All")), *((one.code, one.code) for one in drugs)]
        )
        for name in ("username", "product", "drug"):
            self.fields[name].widget.attrs["translate"] = "no"
        self.fields["alone_minor"] = AmountField(currency=CURRENCY, least_minor=0, label=_("Decides alone up to"))
        self.fields["second_minor"] = AmountField(currency=CURRENCY, least_minor=0, label=_("Confirms others up to"))


def authority(site: PortalSite, request: HttpRequest) -> HttpResponse:
    user = reader(request)
    may_change = user.has_role(*GRANTERS)
    form = GrantForm(user=user)
    if request.method == "POST":
        if request.POST.get("what") == "revoke":
            return _revoked(site, request, user)
        form = GrantForm(request.POST, user=user)
        if form.is_valid():
            return _granted(site, request, user, form)
    context = {
        "lines": list(authorities_visible_to(user=user)),
        "form": form,
        "may_change": may_change,
        "currency": CURRENCY,
    }
    status = 422 if form.is_bound else 200
    return site.show(request, "portals/insurer/authority.html", context, title=gettext("Authority"), status=status)


def _granted(site: PortalSite, request: HttpRequest, user: User, form: GrantForm) -> HttpResponse:
    trace_id, entered = new_trace_id(), form.cleaned_data

    def grant() -> str:
        authority_grant(
            username=entered["username"],
            product_code=entered["product"] or None,
            drug_code=entered["drug"] or None,
            alone_minor=entered["alone_minor"],
            second_minor=entered["second_minor"],
            currency=CURRENCY,
            user=user,
            now=database_now(),
            trace_id=trace_id,
        )
        return gettext("Saved.")

    return done_or_refused(site, request, grant, back=site.address("authority"), trace_id=trace_id)


def _revoked(site: PortalSite, request: HttpRequest, user: User) -> HttpResponse:
    trace_id = new_trace_id()
    try:
        line_id = UUID(request.POST.get("line", ""))
    except ValueError:
        return site.missing(request, gettext("There is no such line that you may change."))

    def revoke() -> str:
        authority_revoke(authority_id=line_id, user=user, now=database_now(), trace_id=trace_id)
        return gettext("Revoked.")

    return done_or_refused(site, request, revoke, back=site.address("authority"), trace_id=trace_id)
