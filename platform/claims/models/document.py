"""Documents of a claim: what was uploaded, encrypted at rest, and the pages that reviewers look at."""

from __future__ import annotations

from django.db import models

from claims.models.claim import Claim
from registry.states import DocumentKind


class Document(models.Model):
    """One file, cleaned of metadata. Its bytes lie in storage, sealed under the person's data key."""

    id = models.UUIDField(primary_key=True)
    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="documents")
    kind = models.CharField(max_length=30, choices=DocumentKind)
    sha256 = models.CharField(max_length=64, help_text="Of the bytes as they came: the same paper is recognised.")
    media_type = models.CharField(max_length=60, help_text="As sniffed, never as claimed.")
    size_bytes = models.PositiveIntegerField()
    file_name = models.CharField(max_length=120, help_text="Cleaned, for display only.")
    storage_name = models.CharField(max_length=200)
    issued_on = models.DateField(null=True, blank=True, help_text="Date of the paper: materials have a maximum age.")
    uploaded_by = models.CharField(max_length=120)
    uploaded_at = models.DateTimeField()
    replaced_by = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaces")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["claim", "sha256"], condition=models.Q(withdrawn_at__isnull=True), name="a_paper_is_stored_once"
            )
        ]
        indexes = [models.Index(fields=["sha256"], name="documents_by_content")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class DocumentPage(models.Model):
    """A rendered page image for reviewers, sealed like the file itself."""

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="pages")
    number = models.PositiveSmallIntegerField()
    storage_name = models.CharField(max_length=200)
    width = models.PositiveIntegerField(help_text="Pixels.")
    height = models.PositiveIntegerField(help_text="Pixels.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "number"], name="one_page_per_number")]

    def __str__(self) -> str:
        return f"page {self.number} of {self.document_id}"
