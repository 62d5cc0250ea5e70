"""Addresses of the interface of the money, version 1."""

from django.urls import path, re_path

from settlement.api import (
    AdviceFiles,
    Advices,
    OneStatement,
    Path,
    StatementConfirm,
    StatementDispute,
    StatementFile,
    Statements,
    schema_document,
)

urlpatterns = [
    path("path", Path.as_view()),
    path("statements", Statements.as_view()),
    path("statements/<str:statement_no>", OneStatement.as_view()),
    path("statements/<str:statement_no>/confirm", StatementConfirm.as_view()),
    path("statements/<str:statement_no>/dispute", StatementDispute.as_view()),
    re_path(r"^statements/(?P<statement_no>[A-Z0-9-]{1,30})/file\.(?P<ending>xlsx|pdf)$", StatementFile.as_view()),
    path("advices", Advices.as_view()),
    path("advices/files", AdviceFiles.as_view()),
    path("openapi.json", schema_document),
]
