"""Papers that patients hand in: recognised by their bytes, read whole within limits, cleaned, drawn as pages.

Pure: bytes in, bytes out. What is stored is never what came: photos are encoded anew, PDFs written anew without what
acts, hides or tells of the sender.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import Final

import pikepdf
import pillow_heif
import puremagic
import pypdfium2
from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import Problem
from core.pdf import PDFIUM

BYTES: Final = 20 * 1024 * 1024
PIXELS: Final = 50_000_000  # A telephone's 48 megapixels, and no more.
SIDE: Final = 20_000
PAGES: Final = 40
PAGE_SIDE: Final = 2_400  # Of a page image: an A4 sheet at 200 dots per inch.
INFLATED_STREAM: Final = 3 * PIXELS
INFLATED_ALL: Final = 400_000_000
CHUNK: Final = 1 << 20
QUALITY: Final = 88
HEIC_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"hevc")
FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/heic": "HEIF"}
# Keys of a PDF's catalogue that act, hide files or tell of the sender.
ACTING: Final = ("/OpenAction", "/AA", "/AcroForm", "/Metadata", "/PieceInfo", "/Collection", "/AF", "/Perms")
ON_PAGES: Final = ("/AA", "/Annots", "/Metadata", "/PieceInfo", "/AF")
pillow_heif.register_heif_opener(thumbnails=False)
pikepdf.settings.set_qpdf_limits(
    max_stream_filters=4,
    flate_max_memory=INFLATED_STREAM,
    run_length_max_memory=INFLATED_STREAM,
    png_max_memory=INFLATED_STREAM,
    tiff_max_memory=INFLATED_STREAM,
    dct_max_memory=2 * INFLATED_STREAM,
)


class PaperTooLarge(Problem):
    code = "paper_too_large"
    status = 413
    title = "The file is too large"
    detail = "{what} is more than {most}."
    detail_zh = "文件过大：{what_zh} 超过 {most}。"
    fix = "Photograph the paper with a lower resolution, or send fewer pages at once."
    fix_zh = "请降低拍摄分辨率，或分次上传较少页数。"


class PaperTypeRefused(Problem):
    code = "paper_type_refused"
    status = 415
    title = "Not a photo or a PDF"
    detail = "The file is {found}; JPEG, PNG, HEIC and PDF can be read."
    detail_zh = "文件类型为 {found}；仅支持 JPEG、PNG、HEIC 和 PDF。"
    fix = "Photograph the paper, or save it as a PDF."
    fix_zh = "请拍照上传，或另存为 PDF。"


class PaperBroken(Problem):
    code = "paper_broken"
    status = 422
    title = "The file cannot be read"
    detail = "It is damaged or ends too early ({why})."
    detail_zh = "文件已损坏或不完整（{why}）。"
    fix = "Open it on your device to see whether it is whole, then photograph or save it again."
    fix_zh = "请先在设备上确认文件可正常打开，再重新拍照或另存后上传。"


class PaperLocked(Problem):
    code = "paper_locked"
    status = 422
    title = "The file is protected by a password"
    detail = "Nobody could read it here."
    detail_zh = "文件受密码保护，无法读取。"
    fix = "Save it without a password and send it again."
    fix_zh = "请取消密码保护后重新上传。"


@dataclass(frozen=True, slots=True)
class PageImage:
    """A JPEG; pixels."""

    content: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Paper:
    """A clean file, its media type, and its pages as reviewers see them."""

    content: bytes
    media_type: str
    pages: tuple[PageImage, ...]


def paper_read(content: bytes) -> Paper:
    """Recognise, check, clean and draw. Raises PaperTooLarge, PaperTypeRefused, PaperBroken, PaperLocked."""
    if len(content) > BYTES:
        raise PaperTooLarge(what="The file", what_zh="文件", most="20 MB")
    media_type = sniffed(content)
    return _pdf(content) if media_type == "application/pdf" else _photo(content, media_type)


def sniffed(content: bytes) -> str:
    """The media type by the first bytes; what the sender says of it does not count. Raises PaperTypeRefused."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"%PDF-"):
        return "application/pdf"
    if content[4:8] == b"ftyp" and content[8:12] in HEIC_BRANDS:
        return "image/heic"
    raise PaperTypeRefused(found=_told(content))


def _told(content: bytes) -> str:
    """What it seems to be, for the message only."""
    if not content:
        return "empty"
    try:
        return puremagic.from_string(content[:4096], mime=True) or "unknown"
    except (puremagic.PureError, ValueError):
        return "unknown"


def _photo(content: bytes, media_type: str) -> Paper:
    try:
        # Only the one decoder that the first bytes name is tried: others never see a stranger's bytes.
        with Image.open(io.BytesIO(content), formats=[FORMATS[media_type]]) as image:
            _fits(*image.size)
            upright = ImageOps.exif_transpose(image)
            plain = _plain(upright)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise PaperBroken(why=type(error).__name__) from None
    keep_png = media_type == "image/png"
    clean = _encoded(plain, "PNG" if keep_png else "JPEG")
    return Paper(clean, "image/png" if keep_png else "image/jpeg", (_page(plain),))


def _fits(width: int, height: int) -> None:
    if width * height > PIXELS or max(width, height) > SIDE:
        raise PaperTooLarge(what=f"{width} x {height} pixels", what_zh=f"{width} x {height} 像素", most="50 megapixels")


def _plain(image: Image.Image) -> Image.Image:
    """RGB on white: no transparency in which something could hide, no colour profile, no metadata."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layered = image.convert("RGBA")
        plain = Image.new("RGB", layered.size, "white")
        plain.paste(layered, mask=layered.getchannel("A"))
        return plain
    plain = image.convert("RGB")
    plain.info.clear()
    return plain


def _encoded(image: Image.Image, form: str) -> bytes:
    target = io.BytesIO()
    if form == "PNG":
        image.save(target, "PNG")
    else:
        image.save(target, "JPEG", quality=QUALITY)
    return target.getvalue()


def _page(image: Image.Image) -> PageImage:
    drawn = image
    if max(image.size) > PAGE_SIDE:
        drawn = image.copy()
        drawn.thumbnail((PAGE_SIDE, PAGE_SIDE), Image.Resampling.LANCZOS)
    return PageImage(_encoded(drawn, "JPEG"), *drawn.size)


def _pdf(content: bytes) -> Paper:
    _inflates_within_limits(content)
    clean = _pdf_cleaned(content)
    return Paper(clean, "application/pdf", tuple(_pdf_pages(clean)))


def _inflates_within_limits(content: bytes) -> None:
    """Every deflated stream is tried in small steps before any library opens the file as a whole."""
    total, at = 0, content.find(b"stream")
    while at != -1:
        start = at + len(b"stream")
        while content[start : start + 1] in (b"\r", b"\n"):
            start += 1
        if not content[:at].endswith(b"end") and content[start : start + 1] == b"\x78":
            total += _inflated(content, start)
            if total > INFLATED_ALL:
                raise PaperTooLarge(what="The PDF unpacked", what_zh="解压后的 PDF", most="400 MB")
        at = content.find(b"stream", start)


def _inflated(content: bytes, start: int) -> int:
    """How much the stream that starts there unpacks to. Raises PaperTooLarge above the limit for one."""
    inflater, count, view = zlib.decompressobj(), 0, memoryview(content)[start:]
    fed = 0
    try:
        while not inflater.eof and (fed < len(view) or inflater.unconsumed_tail):
            if inflater.unconsumed_tail:
                piece: bytes | memoryview = inflater.unconsumed_tail
            else:
                piece = view[fed : fed + CHUNK]
                fed += len(piece)
            count += len(inflater.decompress(piece, CHUNK))
            if count > INFLATED_STREAM:
                raise PaperTooLarge(what="One stream of the PDF unpacked", what_zh="PDF 中单个数据流", most="150 MB")
    except zlib.error:
        # No deflated stream after all, or a damaged one: the reader will say so.
        return count
    return count


def _pdf_cleaned(content: bytes) -> bytes:
    try:
        with pikepdf.open(io.BytesIO(content)) as pdf:
            count = len(pdf.pages)
            if count > PAGES:
                raise PaperTooLarge(what=f"{count} pages", what_zh=f"{count} 页", most=f"{PAGES} pages")
            if count == 0:
                raise PaperBroken(why="no pages")
            for stream in pdf.objects:
                if isinstance(stream, pikepdf.Stream):
                    _stream_fits(stream)
            # Stamps, ink and signatures that are laid over a page become part of it; what they could do is gone.
            pdf.flatten_annotations()
            _disarm(pdf)
            target = io.BytesIO()
            pdf.remove_unreferenced_resources()
            pdf.save(target, object_stream_mode=pikepdf.ObjectStreamMode.disable)
            return target.getvalue()
    except pikepdf.PasswordError:
        raise PaperLocked from None
    except (pikepdf.PdfError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise PaperBroken(why=type(error).__name__) from None


def _disarm(pdf: pikepdf.Pdf) -> None:
    for key in ACTING:
        if key in pdf.Root:
            del pdf.Root[key]
    if "/Names" in pdf.Root:
        # Scripts and attached files hang here; page labels and destinations are not missed on a photo of paper.
        del pdf.Root["/Names"]
    if "/Info" in pdf.trailer:
        del pdf.trailer["/Info"]
    for page in pdf.pages:
        for key in ON_PAGES:
            if key in page.obj:
                del page.obj[key]


def _stream_fits(stream: pikepdf.Stream) -> None:
    """Pictures within the limits of photos, and nothing packed twice: the inner packing is a bomb's place."""
    if stream.get("/Subtype") == "/Image":
        _fits(int(stream.get("/Width", 0)), int(stream.get("/Height", 0)))
    filters = stream.get("/Filter")
    if isinstance(filters, pikepdf.Array) and [str(one) for one in filters].count("/FlateDecode") > 1:
        raise PaperBroken(why="packed twice")


def _pdf_pages(content: bytes) -> list[PageImage]:
    with PDFIUM:
        try:
            document = pypdfium2.PdfDocument(content)
        except pypdfium2.PdfiumError as error:
            raise PaperBroken(why=type(error).__name__) from None
        try:
            return [_drawn(document[number]) for number in range(len(document))]
        except pypdfium2.PdfiumError as error:
            raise PaperBroken(why=type(error).__name__) from None
        finally:
            document.close()


def _drawn(page: pypdfium2.PdfPage) -> PageImage:
    """The page at 200 dots per inch, or less so that its longer side fits."""
    width, height = page.get_size()
    if min(width, height) <= 0:
        raise PaperBroken(why="a page without size")
    scale = min(200 / 72, PAGE_SIDE / max(width, height))
    bitmap = page.render(scale=scale, may_draw_forms=False)
    try:
        return _page(bitmap.to_pil().convert("RGB"))
    finally:
        bitmap.close()
        page.close()
