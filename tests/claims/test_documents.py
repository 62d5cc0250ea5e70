"""Papers of a claim: stored once, sealed under the person's key, kept as evidence."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from claims.models import Document, DocumentPage
from claims.papers import PaperTypeRefused
from claims.selectors.documents import documents_visible, documents_with_content
from claims.services import documents
from claims.services.desk import ClaimStateRefuses
from claims.services.documents import (
    DocumentDateInvalid,
    DocumentIsEvidence,
    DocumentsFull,
    DocumentTwice,
    document_add,
    document_read,
    document_withdraw,
    file_name_clean,
    page_read,
)
from claims.states import Audience, ClaimState
from core.crypto import SealBroken, ring
from core.errors import NotFound
from core.models import DataKey
from registry.states import DocumentKind
from tests.claims import papers
from tests.claims.house import IN, PATIENT, asked, drafted, filed, in_prereview, uploaded
from tests.registry.house import NOW, TODAY, Shelf
from tests.roles import rows

S = ClaimState


def test_what_is_stored_is_sealed_and_comes_back_clean(shelf: Shelf, papers_folder: Path) -> None:
    claim = drafted(shelf, complete=False)
    document = uploaded(claim, DocumentKind.PATHOLOGY, content=papers.pdf(2))
    files = [path.read_bytes() for path in papers_folder.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert not any(content.startswith((b"%PDF", b"\xff\xd8")) for content in files)
    assert document_read(document=document).startswith(b"%PDF-")
    assert [page_read(page=page)[:2] for page in document.pages.order_by("number")] == [b"\xff\xd8"] * 2
    assert (document.media_type, document.size_bytes) == ("application/pdf", len(document_read(document=document)))


def test_a_page_in_anothers_place_does_not_open(shelf: Shelf) -> None:
    claim = drafted(shelf, complete=False)
    first, second = uploaded(claim, DocumentKind.ID_CARD), uploaded(claim, DocumentKind.PATHOLOGY)
    Document.objects.filter(pk=first.pk).update(storage_name=second.storage_name)
    with pytest.raises(SealBroken):
        document_read(document=Document.objects.get(pk=first.pk))


def test_with_the_persons_key_all_papers_are_gone(shelf: Shelf) -> None:
    document = uploaded(drafted(shelf, complete=False), DocumentKind.ID_CARD)
    DataKey.objects.filter(scope=f"person:{shelf.person.pk}").delete()
    ring.forget()
    with pytest.raises(SealBroken):
        document_read(document=document)


def test_the_same_paper_twice_is_one_document(shelf: Shelf) -> None:
    claim = drafted(shelf, complete=False)
    photo = papers.photo()
    first = uploaded(claim, DocumentKind.ID_CARD, content=photo)
    assert uploaded(claim, DocumentKind.ID_CARD, content=photo) == first
    assert claim.events.filter(kind="document.added").count() == 1
    with pytest.raises(DocumentTwice, match="ID_CARD"):
        uploaded(claim, DocumentKind.INVOICE, content=photo)


def test_the_same_paper_in_two_claims_is_found(shelf: Shelf) -> None:
    photo = papers.photo()
    one, other = drafted(shelf, complete=False), drafted(shelf, complete=False)
    first, second = (uploaded(claim, DocumentKind.INVOICE, content=photo) for claim in (one, other))
    assert list(documents_with_content(sha256=second.sha256, but_claim=other)) == [first]


def test_a_refused_file_leaves_nothing_behind(shelf: Shelf, papers_folder: Path) -> None:
    claim = drafted(shelf, complete=False)
    with pytest.raises(PaperTypeRefused):
        uploaded(claim, DocumentKind.ID_CARD, content=papers.zip_file())
    assert not claim.documents.exists()
    assert [path for path in papers_folder.rglob("*") if path.is_file()] == []


def test_a_row_that_cannot_be_written_takes_its_files_along(shelf: Shelf, papers_folder: Path) -> None:
    claim = drafted(shelf, complete=False)
    # A second page of the same number: refused by the table after all files have been written.
    rows(
        "CREATE FUNCTION refuse_page() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no page today'; END $$"
    )
    rows("CREATE TRIGGER refuse BEFORE INSERT ON claims_documentpage FOR EACH ROW EXECUTE FUNCTION refuse_page()")
    with pytest.raises(Exception, match="no page today"):
        uploaded(claim, DocumentKind.ID_CARD)
    assert [path for path in papers_folder.rglob("*") if path.is_file()] == []


def test_a_paper_of_tomorrow_is_refused(shelf: Shelf) -> None:
    with pytest.raises(DocumentDateInvalid):
        uploaded(drafted(shelf, complete=False), DocumentKind.ID_CARD, issued_on=TODAY + timedelta(days=1))


def test_a_claim_carries_so_many_papers_and_no_more(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = drafted(shelf)
    monkeypatch.setattr(documents, "DOCUMENTS", 2)
    with pytest.raises(DocumentsFull):
        uploaded(claim, DocumentKind.PATHOLOGY)


@pytest.mark.parametrize("state", [S.CONFIRMED, S.WITHDRAWN, S.CLOSED])
def test_nothing_is_added_after_the_end(shelf: Shelf, state: ClaimState) -> None:
    claim = IN[state](shelf)
    with pytest.raises(ClaimStateRefuses):
        uploaded(claim, DocumentKind.PATHOLOGY)


def test_a_draft_gives_its_papers_back_and_a_filed_claim_does_not(shelf: Shelf) -> None:
    claim = drafted(shelf)
    mistaken = uploaded(claim, DocumentKind.PATHOLOGY)
    assert document_withdraw(document_id=mistaken.pk, by=PATIENT, now=NOW).withdrawn_at == NOW
    kept = filed(shelf).documents.all()[0]
    with pytest.raises(DocumentIsEvidence):
        document_withdraw(document_id=kept.pk, by=PATIENT, now=NOW)


def test_an_answer_can_be_put_right_until_it_is_given(shelf: Shelf) -> None:
    claim = in_prereview(shelf)
    asked(claim)
    answer = uploaded(claim, DocumentKind.PATHOLOGY, now=NOW + timedelta(minutes=1))
    earlier = claim.documents.filter(kind=DocumentKind.ID_CARD)[0]
    Document.objects.filter(pk=earlier.pk).update(uploaded_at=NOW - timedelta(minutes=1))
    document_withdraw(document_id=answer.pk, by=PATIENT, now=NOW)
    with pytest.raises(DocumentIsEvidence):
        document_withdraw(document_id=earlier.pk, by=PATIENT, now=NOW)


def test_a_newer_paper_takes_the_place_of_an_older(shelf: Shelf) -> None:
    claim = drafted(shelf)
    old = claim.documents.get(kind=DocumentKind.PRESCRIPTION)
    new = document_add(
        claim_id=claim.pk,
        kind=DocumentKind.PRESCRIPTION,
        content=papers.photo(),
        file_name="new.jpg",
        issued_on=TODAY,
        by=PATIENT,
        replaces=old.pk,
        now=NOW,
    )
    assert Document.objects.get(pk=old.pk).replaced_by == new
    with pytest.raises(NotFound):
        document_add(
            claim_id=claim.pk,
            kind=DocumentKind.PRESCRIPTION,
            content=papers.heic(),
            file_name="newer.heic",
            issued_on=TODAY,
            by=PATIENT,
            replaces=old.pk,
            now=NOW,
        )
    assert claim.documents.count() == 3


def test_a_pharmacy_sees_the_prescription_only_and_no_role_what_was_withdrawn(shelf: Shelf) -> None:
    claim = drafted(shelf)
    document_withdraw(document_id=uploaded(claim, DocumentKind.PATHOLOGY).pk, by=PATIENT, now=NOW)

    def kinds(role: Audience | None) -> list[str]:
        return [document.kind for document in documents_visible(claim=claim, role=role)]

    assert kinds(Audience.PHARMACY) == ["PRESCRIPTION"]
    assert kinds(Audience.PATIENT) == kinds(Audience.INSURER) == ["ID_CARD", "PRESCRIPTION"]
    assert kinds(None) == ["ID_CARD", "PATHOLOGY", "PRESCRIPTION"]


def test_no_name_of_a_file_or_a_person_stands_in_the_log(shelf: Shelf) -> None:
    claim = drafted(shelf, complete=False)
    document_add(
        claim_id=claim.pk,
        kind=DocumentKind.ID_CARD,
        content=papers.photo(),
        file_name="李雷的身份证.jpg",
        issued_on=None,
        by=PATIENT,
        now=NOW,
    )
    told = " ".join(str(event.details) for event in claim.events.all())
    assert "李雷" not in told


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("report.jpeg", "report.jpg"),
        ("../../etc/passwd", "passwd.jpg"),
        ("C:\\temp\\病理报告.png", "病理报告.jpg"),
        ("a\u202egpj.exe", "agpj.jpg"),
        ("line\nbreak\x00.jpg", "linebreak.jpg"),
        ("", "pathology.jpg"),
        ("....", "pathology.jpg"),
        ("x" * 300 + ".jpg", "x" * 116 + ".jpg"),
    ],
)
def test_a_files_name_is_for_show_only(name: str, shown: str) -> None:
    assert file_name_clean(name, kind="PATHOLOGY", media_type="image/jpeg") == shown


def test_documents_are_never_deleted(shelf: Shelf) -> None:
    document = uploaded(drafted(shelf, complete=False), DocumentKind.ID_CARD)
    DocumentPage.objects.filter(document=document).delete()
    with pytest.raises(Exception, match="withdrawn, never deleted"):
        rows("DELETE FROM claims_document WHERE id = %s", [document.pk])
