"""Addresses of the patients' interface, version 1."""

from django.urls import path

from patients.api import claims, inbox, mandates, renewals, session
from patients.api.schema import schema_document

urlpatterns = [
    path("session", session.Session.as_view()),
    path("sign-in/code", session.SignInCodes.as_view()),
    path("sign-in", session.SignIn.as_view()),
    path("identity", session.Identity.as_view()),
    path("consents", session.Consents.as_view()),
    path("helpers", session.Helpers.as_view()),
    path("helpers/<uuid:grant_id>", session.OneHelper.as_view()),
    path("invitations", session.Invitations.as_view()),
    path("invitations/<uuid:grant_id>/accept", session.AcceptInvitation.as_view()),
    path("notices", inbox.Notices.as_view()),
    path("notices/<uuid:notice_id>/read", inbox.ReadNotice.as_view()),
    path("preferences", inbox.Preferences.as_view()),
    path("conversations", inbox.Conversations.as_view()),
    path("conversations/<uuid:conversation_id>/messages", inbox.Messages.as_view()),
    path("policies", claims.Policies.as_view()),
    path("authorisations", claims.Authorisations.as_view()),
    path("authorisations/<uuid:authorisation_id>/renew", renewals.Renew.as_view()),
    path("prescriptions", claims.Prescriptions.as_view()),
    path("claims", claims.Claims.as_view()),
    path("claims/<uuid:claim_id>", claims.OneClaim.as_view()),
    path("claims/<uuid:claim_id>/readiness", claims.Readiness.as_view()),
    path("claims/<uuid:claim_id>/submit", claims.Submit.as_view()),
    path("claims/<uuid:claim_id>/answer", claims.Answer.as_view()),
    path("claims/<uuid:claim_id>/paper", claims.Paper.as_view()),
    path("claims/<uuid:claim_id>/mandate", mandates.OneMandate.as_view()),
    path("claims/<uuid:claim_id>/withdraw", claims.Withdraw.as_view()),
    path("claims/<uuid:claim_id>/appeal", claims.Appeal.as_view()),
    path("claims/<uuid:claim_id>/documents", claims.Documents.as_view()),
    path("claims/<uuid:claim_id>/documents/<uuid:document_id>", claims.OneDocument.as_view()),
    path("claims/<uuid:claim_id>/documents/<uuid:document_id>/pages/<int:number>", claims.PageImage.as_view()),
    path("openapi.json", schema_document),
]
