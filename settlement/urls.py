"""Addresses of the interface of the money, version 1."""

from django.urls import path

from settlement.api import Path, schema_document

urlpatterns = [
    path("path", Path.as_view()),
    path("openapi.json", schema_document),
]
