from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench.baseline.views import Transactions


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [path("api/his/v1/transactions", Transactions.as_view()), path("healthz", healthz)]
