"""Papers as patients hand them in, good and bad, made here byte by byte."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any

import pikepdf
import pillow_heif
from PIL import Image

GPS = 0x8825


def picture(width: int = 300, height: int = 200, colour: str = "white", mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (width, height), colour)


def photo(image: Image.Image | None = None, form: str = "JPEG", **options: Any) -> bytes:
    target = io.BytesIO()
    (image or picture()).save(target, form, **options)
    return target.getvalue()


def telling_photo() -> bytes:
    """A photo that tells where it was taken, with what, and that it lies on its side."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Telephone of somebody", 6
    exif[GPS] = {1: "N", 2: (39.0, 54.0, 0.0), 3: "E", 4: (116.0, 23.0, 0.0)}
    return photo(exif=exif, comment=b"ward 12")


def heic() -> bytes:
    target = io.BytesIO()
    pillow_heif.from_pillow(picture(320, 240)).save(target, quality=80)
    return target.getvalue()


def pdf(
    pages: int = 1, *, size: tuple[int, int] = (595, 842), content: bytes = b"1 0 0 rg 100 100 200 200 re f"
) -> bytes:
    target = io.BytesIO()
    with pikepdf.new() as document:
        for _ in range(pages):
            page = document.add_blank_page(page_size=size)
            page.Contents = document.make_stream(content)
        document.save(target)
    return target.getvalue()


def armed_pdf() -> bytes:
    """It runs a script on opening, carries a file, and tells who wrote it."""
    target = io.BytesIO()
    with pikepdf.new() as document:
        page = document.add_blank_page(page_size=(595, 842))
        script = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert('hello')")
        document.Root.OpenAction = script
        page.obj["/AA"] = pikepdf.Dictionary(O=script)
        document.attachments["payload.exe"] = pikepdf.AttachedFileSpec(document, b"MZ evil")
        document.docinfo["/Author"] = "Somebody of Ward 12"
        with document.open_metadata() as metadata:
            metadata["dc:creator"] = ["Somebody of Ward 12"]
        document.save(target)
    return target.getvalue()


def locked_pdf() -> bytes:
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf())) as document:
        document.save(target, encryption=pikepdf.Encryption(user="secret", owner="secret"))
    return target.getvalue()


def bomb_pdf(inflated_bytes: int = 400_000_000) -> bytes:
    """A page whose content unpacks to hundreds of megabytes of nothing."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(inflated_bytes // 1_000_000)) + packer.flush()
    return _pdf_with_content(packed, b"/FlateDecode")


def double_bomb_pdf() -> bytes:
    """The same, packed twice: the first unpacking is small."""
    packed = zlib.compress(b" " * 100_000_000, 9)
    return _pdf_with_content(zlib.compress(packed, 9), b"[/FlateDecode /FlateDecode]")


def huge_picture_pdf() -> bytes:
    """A picture that says it is 60,000 pixels wide."""
    target = io.BytesIO()
    with pikepdf.new() as document:
        page = document.add_blank_page(page_size=(595, 842))
        image = pikepdf.Stream(document, b"\x00")
        image.Type, image.Subtype, image.Width, image.Height = pikepdf.Name.XObject, pikepdf.Name.Image, 60_000, 60_000
        image.ColorSpace, image.BitsPerComponent = pikepdf.Name.DeviceGray, 1
        page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Big=image))
        page.Contents = document.make_stream(b"q 500 0 0 500 0 0 cm /Big Do Q")
        document.save(target)
    return target.getvalue()


def bomb_png(width: int = 30_000, height: int = 30_000) -> bytes:
    """A few kilobytes that say they are 900 megapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    rows = zlib.compress(b"\x00" * 100_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zip_file() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("evil.html", "<script>alert(1)</script>")
    return target.getvalue()


def _pdf_with_content(packed: bytes, filters: bytes) -> bytes:
    """Written by hand: a library would unpack it."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
        b"<< /Length %d /Filter %s >>\nstream\n%s\nendstream" % (len(packed), filters, packed),
    ]
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, one in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
