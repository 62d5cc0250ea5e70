"""Addresses by start profile: a profile loads only its own."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, include, path

from exchange.pages import slip
from hospitals.portal import site as hospital_site
from insurers.api import decisions
from insurers.portal import site as insurer_site
from prereview.portal import site as review_site


def healthz(_: HttpRequest) -> HttpResponse:
    """This process answers. What lies behind it is told by `manage.py liveness`."""
    return JsonResponse({"answers": True})


EDGE: list[URLPattern | URLResolver] = [path("api/his/v1/", include("hospitals.listener.urls"))]
PORTALS: list[URLPattern | URLResolver] = [
    path("i18n/", include("django.conf.urls.i18n")),
    path("hospital/", hospital_site.urls),
    path("review/", review_site.urls),
    path("api/money/v1/", include("settlement.urls")),
]
# Insurers come over the public network: their people, and their systems with decisions on claims.
INSURERS: list[URLPattern | URLResolver] = [
    path("insurer/", insurer_site.urls),
    path("api/spi/v1/decisions", decisions),
]
PUBLIC: list[URLPattern | URLResolver] = [
    path("s/<str:token>", slip),
    path("api/registry/v1/", include("registry.urls")),
    path("api/claims/v1/", include("claims.urls")),
    path("api/money/v1/", include("settlement.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    *INSURERS,
    path("api/patient/v1/", include("patients.urls")),
]
PROFILES = {"edge": EDGE, "core": PORTALS, "public": PUBLIC, "all": [*EDGE, *PORTALS, *PUBLIC]}
urlpatterns = [path("healthz", healthz), *PROFILES[settings.PROFILE]]
