"""Documents of a claim: taken in, withdrawn, read. Bytes lie in the storage `documents`, sealed per person."""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import transaction

from claims.models import Claim, Document, DocumentPage
from claims.papers import Paper, paper_read
from claims.services.desk import ClaimStateRefuses, claim_lock, event_write
from claims.states import Audience, ClaimState
from core.bulk import rows_insert
from core.crypto import unseal
from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from registry.selectors.products import product_day
from registry.services.persons import person_seal_many
from registry.states import DocumentKind

DOCUMENTS: Final = 60
NAME: Final = 120
SEEN_BY: Final = (Audience.PATIENT, Audience.PREREVIEW, Audience.INSURER)
NO_MORE: Final = (ClaimState.CONFIRMED, ClaimState.WITHDRAWN, ClaimState.CLOSED)
ENDINGS: Final = {"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg"}


class DocumentTwice(Conflict):
    code = "document_twice"
    title = "This paper is there already"
    detail = "The same file was handed in as {kind}."
    detail_zh = "同一文件已作为 {kind} 提交。"
    fix = "Withdraw the other one first if it was filed under the wrong kind."
    fix_zh = "如之前类别有误，请先撤回该文件。"


class DocumentDateInvalid(Problem):
    code = "document_date_invalid"
    status = 422
    title = "The paper's date lies in the future"
    detail = "{issued_on} is after today."
    detail_zh = "材料日期 {issued_on} 晚于今天。"
    fix = "Give the date that is printed on the paper."
    fix_zh = "请填写材料上印制的日期。"


class DocumentsFull(Conflict):
    code = "documents_full"
    title = "Too many files"
    detail = "A claim carries at most {most} documents."
    detail_zh = "一次申请最多上传 {most} 份材料。"
    fix = "Put pages of one paper into one PDF."
    fix_zh = "请将同一材料的多页合并为一个 PDF。"


class DocumentIsEvidence(Conflict):
    code = "document_is_evidence"
    title = "A filed document stays"
    detail = "Document {document_id} was part of what has been reviewed; a newer one can replace it in its place."
    detail_zh = "材料 {document_id} 已进入审核，不能撤回；可补充上传新的材料。"


def document_add(
    *,
    claim_id: UUID,
    kind: DocumentKind,
    content: bytes,
    file_name: str,
    issued_on: date | None,
    by: str,
    on_behalf: bool = False,
    replaces: UUID | None = None,
    now: datetime,
    trace_id: str = "",
) -> Document:
    """Take one file in. The same bytes under the same kind again change nothing and return the stored document.

    Raises NotFound, ClaimStateRefuses, DocumentTwice, DocumentDateInvalid, DocumentsFull, and of claims.papers
    PaperTooLarge, PaperTypeRefused, PaperBroken, PaperLocked.
    """
    claim = Claim.objects.select_related("product").filter(pk=claim_id).order_by().first()
    if claim is None:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    _check(claim, issued_on, now)
    digest = hashlib.sha256(content).hexdigest()
    known = _known(claim, digest, kind)
    if known is not None:
        return known
    # Reading takes its time: done before the claim is locked.
    paper = paper_read(content)
    with transaction.atomic():
        claim = claim_lock(claim_id=claim_id)
        _check(claim, issued_on, now)
        known = _known(claim, digest, kind)
        if known is not None:
            return known
        document = Document(
            id=uuid7(now),
            claim=claim,
            kind=DocumentKind(kind),
            sha256=digest,
            media_type=paper.media_type,
            size_bytes=len(paper.content),
            file_name=file_name_clean(file_name, kind=kind, media_type=paper.media_type),
            issued_on=issued_on,
            uploaded_by=by,
            uploaded_at=now,
        )
        _store(document, paper, now=now)
        if replaces is not None:
            _replace(claim, replaces, document)
        event_write(
            claim,
            "document.added",
            audience=SEEN_BY,
            details={"kind": document.kind, "document": str(document.pk), "pages": len(paper.pages)},
            by=by,
            on_behalf=on_behalf,
            now=now,
            trace_id=trace_id or claim.trace_id,
        )
    return document


@transaction.atomic
def document_withdraw(
    *, document_id: UUID, by: str, on_behalf: bool = False, now: datetime, trace_id: str = ""
) -> Document:
    """Take a document back: while the claim is a draft, or, of what answers an open request, before it is answered.

    Raises NotFound, DocumentIsEvidence. Its bytes stay: what was uploaded can be proven.
    """
    found = Document.objects.filter(pk=document_id).first()
    if found is None:
        raise NotFound(noun="document", noun_zh="材料", key=document_id)
    claim = claim_lock(claim_id=found.claim_id)
    document = Document.objects.select_for_update().get(pk=document_id)
    if document.withdrawn_at is not None:
        return document
    request = claim.materials_requests.filter(closed_reason="").first()
    answering = request is not None and document.uploaded_at >= request.asked_at
    if claim.state != ClaimState.DRAFT and not answering:
        raise DocumentIsEvidence(document_id=document_id)
    document.withdrawn_at = now
    document.save(update_fields=["withdrawn_at"])
    event_write(
        claim,
        "document.withdrawn",
        audience=SEEN_BY,
        details={"kind": document.kind, "document": str(document.pk)},
        by=by,
        on_behalf=on_behalf,
        now=now,
        trace_id=trace_id or claim.trace_id,
    )
    return document


def document_read(*, document: Document) -> bytes:
    """The clean file. Raises core.crypto.SealBroken when it was altered or the person's key is gone or not ours."""
    return _read(document.storage_name, context=f"document:{document.pk}")


def page_read(*, page: DocumentPage) -> bytes:
    """The page's JPEG. Raises SealBroken like `document_read`."""
    return _read(page.storage_name, context=f"document:{page.document_id}:{page.number}")


def file_name_clean(name: str, *, kind: str, media_type: str) -> str:
    """A name for display: no folders, no control characters, and the ending of what the file is."""
    base = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(one for one in base if unicodedata.category(one)[0] not in "CZ" or one == " ").strip(" .")
    stem = shown.rsplit(".", 1)[0] if "." in shown else shown
    ending = ENDINGS[media_type]
    return (stem[: NAME - len(ending)].strip() or kind.lower()) + ending


def _check(claim: Claim, issued_on: date | None, now: datetime) -> None:
    if claim.state in NO_MORE:
        raise ClaimStateRefuses(claim_no=claim.claim_no, state=claim.state, act="document.add")
    if issued_on is not None and issued_on > product_day(product=claim.product, now=now):
        raise DocumentDateInvalid(issued_on=issued_on)


def _known(claim: Claim, digest: str, kind: DocumentKind) -> Document | None:
    """The stored document of these bytes, where there is room for another. Raises DocumentsFull, DocumentTwice."""
    live = list(claim.documents.filter(withdrawn_at__isnull=True))
    if len(live) >= DOCUMENTS:
        raise DocumentsFull(most=DOCUMENTS)
    known = next((one for one in live if one.sha256 == digest), None)
    if known is not None and known.kind != kind:
        raise DocumentTwice(kind=known.kind)
    return known


def _replace(claim: Claim, replaced_id: UUID, document: Document) -> None:
    changed = claim.documents.filter(pk=replaced_id, replaced_by__isnull=True, withdrawn_at__isnull=True).update(
        replaced_by=document
    )
    if not changed:
        raise NotFound(noun="document", noun_zh="材料", key=replaced_id)


def _store(document: Document, paper: Paper, *, now: datetime) -> None:
    """Bytes first, then rows: a row never points at nothing. What a failure leaves behind is sealed and unnamed."""
    storage = storages["documents"]
    parts = {"file": paper.content} | {str(number): page.content for number, page in enumerate(paper.pages, start=1)}
    plain = {f"document:{document.pk}" + ("" if part == "file" else f":{part}"): it for part, it in parts.items()}
    sealed = person_seal_many(plain, person_id=document.claim.person_id, now=now)
    names: list[str] = []
    try:
        for part, content in zip(parts, sealed, strict=True):
            names.append(storage.save(f"{document.pk.hex[:4]}/{document.pk}.{part}.sealed", ContentFile(content)))
        document.storage_name = names[0]
        pages = [
            DocumentPage(
                document=document, number=number, storage_name=names[number], width=page.width, height=page.height
            )
            for number, page in enumerate(paper.pages, start=1)
        ]
        document.save(force_insert=True)
        rows_insert(pages)
    except BaseException:
        for name in names:
            storage.delete(name)
        raise


def _read(storage_name: str, *, context: str) -> bytes:
    with storages["documents"].open(storage_name, "rb") as file:
        return unseal(file.read(), context=context)
