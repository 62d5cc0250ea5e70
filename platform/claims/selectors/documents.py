"""Which documents of a claim a role sees."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from claims.models import Claim, Document, DocumentPage
from claims.states import Audience
from registry.states import DocumentKind

# A pharmacy checks the prescription, and who stands at its counter.
PHARMACY_SEES = (DocumentKind.PRESCRIPTION,)


def documents_visible(*, claim: Claim, role: Audience | None) -> QuerySet[Document]:
    """Live documents by kind and age; `role` None is the platform. Withdrawn ones are seen by the platform only."""
    documents = claim.documents.prefetch_related("pages").order_by("kind", "uploaded_at")
    if role is None:
        return documents
    live = documents.filter(withdrawn_at__isnull=True)
    return live.filter(kind__in=PHARMACY_SEES) if role == Audience.PHARMACY else live


def page_visible(*, claim: Claim, document_id: UUID, number: int, role: Audience | None) -> DocumentPage | None:
    """The page, if the role sees its document."""
    documents = documents_visible(claim=claim, role=role)
    return DocumentPage.objects.filter(document__in=documents, document_id=document_id, number=number).first()


def documents_with_content(*, sha256: str, but_claim: Claim) -> QuerySet[Document]:
    """The same bytes handed in with other claims, as far as this transaction sees them: one invoice, claimed twice."""
    found = Document.objects.filter(sha256=sha256, withdrawn_at__isnull=True).exclude(claim=but_claim)
    return found.select_related("claim").order_by("uploaded_at")
