"""Addresses of the hospital interface, version 1."""

from django.urls import path

from hospitals.listener.acts import Abandon, Acknowledge, Disown, Refunded, ServiceCancelled
from hospitals.listener.api import OneTransaction, Transactions
from hospitals.listener.desk import CloseShift, Day, ListOfDay
from hospitals.listener.reads import Abnormal, BillOfVisit, Lanes, Messages, OneBill
from hospitals.listener.schema import schema_document
from hospitals.listener.slip import SlipOfTransaction

urlpatterns = [
    path("transactions", Transactions.as_view()),
    path("transactions/<str:his_no>", OneTransaction.as_view()),
    path("transactions/<str:his_no>/abandon", Abandon.as_view()),
    path("transactions/<str:his_no>/acknowledge", Acknowledge.as_view()),
    path("transactions/<str:his_no>/disown", Disown.as_view()),
    path("transactions/<str:his_no>/refunded", Refunded.as_view()),
    path("transactions/<str:his_no>/service-cancelled", ServiceCancelled.as_view()),
    path("transactions/<str:his_no>/messages", Messages.as_view()),
    path("transactions/<str:his_no>/slip", SlipOfTransaction.as_view()),
    path("bills/<str:visit_no>", BillOfVisit.as_view()),
    # The second spelling of an address stays out of the document.
    path("bills/<str:visit_no>/", BillOfVisit.as_view(schema=None)),
    path("bills/<str:visit_no>/<str:bill_no>", OneBill.as_view()),
    path("days/<str:business_date>", Day.as_view()),
    path("days/<str:business_date>/list", ListOfDay.as_view()),
    path("shifts/<str:shift_no>/close", CloseShift.as_view()),
    path("abnormal", Abnormal.as_view()),
    path("lanes", Lanes.as_view()),
    path("openapi.json", schema_document),
]
