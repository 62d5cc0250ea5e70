"""Addresses of the registry's interface, version 1."""

from django.urls import path

from registry.api import Checklist, Drugs, OneProduct, PolicyImports, Products, schema_document

urlpatterns = [
    path("drugs", Drugs.as_view()),
    path("products", Products.as_view()),
    path("products/<str:code>", OneProduct.as_view()),
    path("products/<str:code>/checklist", Checklist.as_view()),
    path("policies/imports", PolicyImports.as_view()),
    path("openapi.json", schema_document),
]
