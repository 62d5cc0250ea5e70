"""Which rules count for which product: the published packs, and the standing one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from core.clock import database_now
from portal.acting import in_chinese
from portal.labels import label
from portal.site import PortalSite
from prereview.rules.checks import RULES
from prereview.rules.standing import CASES
from prereview.selectors.runs import pack_in_force
from registry.selectors.products import product_day, products_offered

PRODUCTS_SHOWN = 100


def rules(site: PortalSite, request: HttpRequest) -> HttpResponse:
    now = database_now()
    products = []
    for product in products_offered(on=now.date())[:PRODUCTS_SHOWN]:
        force = pack_in_force(product_code=product.pk)
        products.append(
            {
                "product": product,
                "name": product.name_zh if in_chinese() else product.name,
                "force": force,
                "cases": len(force.row.cases) if force.row else len(CASES),
                "kinds": ", ".join(str(label("claim_kind", kind)) for kind in force.pack.straight_through.kinds),
                "sample": f"{force.pack.sample_basis_points / 100:g} %",
                "today": product_day(product=product, now=now),
            }
        )
    context = {"products": products, "rules": [(label("rule", one.code), one) for one in RULES.values()]}
    return site.show(request, "portals/review/rules.html", context, title=gettext("Rule packs"))
