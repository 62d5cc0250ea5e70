"""Addresses of the claims' interface, version 1."""

from django.urls import path

from claims.api import Claims, OneClaim, Page, Timeline, schema_document

urlpatterns = [
    path("claims", Claims.as_view()),
    path("claims/<str:claim_no>", OneClaim.as_view()),
    path("claims/<str:claim_no>/timeline", Timeline.as_view()),
    path("claims/<str:claim_no>/documents/<uuid:document_id>/pages/<int:number>", Page.as_view()),
    path("openapi.json", schema_document),
]
