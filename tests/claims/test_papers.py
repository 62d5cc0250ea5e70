"""What patients hand in: read by its bytes, cleaned, drawn; what is wrong, too large or hostile is told clearly."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

import claims
from claims.papers import (
    PAGE_SIDE,
    Paper,
    PaperBroken,
    PaperLocked,
    PaperTooLarge,
    PaperTypeRefused,
    paper_read,
    sniffed,
)
from core.errors import Problem
from tests.claims import papers

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(claims.__path__[0]).parent)}
READ = r"""
import re, sys
from claims.papers import paper_read
try:
    paper_read(sys.stdin.buffer.read())
except Exception as error:
    print(type(error).__name__, re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
"""


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        pytest.param(papers.photo(), "image/jpeg", id="a JPEG"),
        pytest.param(papers.photo(form="PNG"), "image/png", id="a PNG"),
        pytest.param(papers.heic(), "image/jpeg", id="a HEIC becomes a JPEG"),
        pytest.param(papers.pdf(), "application/pdf", id="a PDF"),
    ],
)
def test_it_reads_photos_and_pdfs(content: bytes, media_type: str) -> None:
    paper = paper_read(content)
    assert paper.media_type == media_type == sniffed(paper.content)
    assert [opened(page.content).format for page in paper.pages] == ["JPEG"]


def test_it_draws_each_page_of_a_pdf() -> None:
    paper = paper_read(papers.pdf(3))
    assert [(page.width, page.height) for page in paper.pages] == [(1653, 2339)] * 3
    red = opened(paper.pages[0].content).convert("RGB").getpixel((500, 1_800))
    assert isinstance(red, tuple)
    assert red[0] > 240
    assert red[1] < 20


def test_a_page_as_large_as_a_wall_is_drawn_small() -> None:
    (page,) = paper_read(papers.pdf(size=(14_000, 7_000))).pages
    assert (page.width, page.height) == (PAGE_SIDE, PAGE_SIDE // 2)


def test_a_photo_of_48_megapixels_is_taken_and_drawn_small() -> None:
    paper = paper_read(papers.photo(papers.picture(8_000, 6_000)))
    assert opened(paper.content).size == (8_000, 6_000)
    assert [(page.width, page.height) for page in paper.pages] == [(2_400, 1_800)]


def test_it_forgets_where_and_with_what_a_photo_was_taken() -> None:
    sent = papers.telling_photo()
    assert b"Telephone of somebody" in sent
    paper = paper_read(sent)
    for content in (paper.content, paper.pages[0].content):
        image = opened(content)
        assert dict(image.getexif()) == {}
        assert b"Telephone" not in content
        assert b"ward 12" not in content
    # It lay on its side: turned before the note about it was forgotten.
    assert opened(paper.content).size == (200, 300)


def test_what_shines_through_is_laid_on_white() -> None:
    glass = papers.picture(mode="RGBA", colour="#00000000")
    page = opened(paper_read(papers.photo(glass, "PNG")).pages[0].content)
    assert page.convert("RGB").getpixel((10, 10)) == (255, 255, 255)


def test_a_pdf_loses_scripts_attachments_and_its_author() -> None:
    paper = paper_read(papers.armed_pdf())
    for word in (b"JavaScript", b"app.alert", b"MZ evil", b"payload", b"Somebody", b"Ward 12"):
        assert word not in paper.content
    with pikepdf.open(io.BytesIO(paper.content)) as clean:
        assert set(clean.Root.keys()) == {"/Type", "/Pages"}
        assert dict(clean.attachments) == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", PaperTypeRefused, id="nothing"),
        pytest.param(b"GIF89a/*<script>*/=1;", PaperTypeRefused, id="a GIF that is a script"),
        pytest.param(b"<html><script>alert(1)</script>", PaperTypeRefused, id="a page"),
        pytest.param(papers.zip_file(), PaperTypeRefused, id="an archive"),
        pytest.param(b"MZ\x90\x00" + bytes(200), PaperTypeRefused, id="a program"),
        pytest.param(b"<html>" + papers.pdf(), PaperTypeRefused, id="a page with a PDF behind it"),
        pytest.param(papers.zip_file() + papers.photo(), PaperTypeRefused, id="an archive with a photo behind it"),
        pytest.param(papers.photo(form="GIF"), PaperTypeRefused, id="a GIF"),
        pytest.param(papers.photo(form="TIFF"), PaperTypeRefused, id="a TIFF"),
        pytest.param(papers.photo(papers.picture(2_000, 2_000, "red"))[:9_000], PaperBroken, id="half a JPEG"),
        pytest.param(b"\xff\xd8\xff" + os.urandom(500), PaperBroken, id="noise that begins like a JPEG"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"x" * 500, PaperBroken, id="noise that begins like a PNG"),
        pytest.param(papers.heic()[:200], PaperBroken, id="the beginning of a HEIC"),
        pytest.param(b"%PDF-1.7\n" + b"nothing of a PDF follows " * 40, PaperBroken, id="noise that begins like a PDF"),
        pytest.param(papers.pdf()[:200], PaperBroken, id="the beginning of a PDF"),
        pytest.param(papers.locked_pdf(), PaperLocked, id="a PDF with a password"),
        pytest.param(papers.pdf(41), PaperTooLarge, id="41 pages"),
        pytest.param(papers.photo() + bytes(20 * 1024 * 1024), PaperTooLarge, id="more than 20 MB"),
        pytest.param(papers.photo(papers.picture(9_000, 6_000), "PNG"), PaperTooLarge, id="54 megapixels"),
        pytest.param(papers.photo(papers.picture(20_001, 2), "PNG"), PaperTooLarge, id="a line of 20,001 pixels"),
    ],
)
def test_it_refuses(content: bytes, problem: type[Problem]) -> None:
    with pytest.raises(problem) as refused:
        paper_read(content)
    body = refused.value.body(trace_id="0" * 32)
    assert body["detail"]
    assert body["detail_zh"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(papers.bomb_png(), id="a PNG of 900 megapixels in a few bytes"),
        pytest.param(papers.bomb_pdf(), id="a PDF that unpacks to 400 MB"),
        pytest.param(papers.double_bomb_pdf(), id="a PDF packed twice"),
        pytest.param(papers.huge_picture_pdf(), id="a PDF with a picture of 3,600 megapixels"),
    ],
)
def test_a_bomb_is_refused_before_it_goes_off(content: bytes) -> None:
    assert len(content) < 2_000_000
    # In a process of its own, which has used no memory before: what the reader itself is made of takes some 60 MB.
    reading = subprocess.run([sys.executable, "-c", READ], input=content, capture_output=True, env=ENVIRONMENT)
    word, most_kilobytes = reading.stdout.decode().split()
    assert word in ("PaperTooLarge", "PaperBroken")
    assert int(most_kilobytes) < 250_000


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(papers.photo() + papers.zip_file(), id="a JPEG that is an archive too"),
        pytest.param(papers.photo(form="PNG") + b"<script>evil.html</script>", id="a PNG that is a page too"),
        pytest.param(papers.pdf() + papers.zip_file(), id="a PDF that is an archive too"),
        pytest.param(papers.photo(comment=b"<script>evil.html</script>"), id="a script in a comment"),
    ],
)
def test_of_a_polyglot_only_the_picture_is_kept(content: bytes) -> None:
    assert b"evil.html" in content
    paper: Paper = paper_read(content)
    assert b"evil.html" not in paper.content
    assert b"PK\x03\x04" not in paper.content
