"""Pages as PDF, by weasyprint where it is installed (the extra `pdf`), with glyphs that people can read."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

from core.errors import Problem

# PDFium is for one thread at a time, whoever calls it.
PDFIUM = Lock()
PROOF = "<style>@page{size:40mm 20mm;margin:2mm}p{font:12pt %s;margin:0}</style><p>%s</p>"
FONTS = '"PingFang SC","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC",sans-serif'


class PdfNotInstalled(Problem):
    code = "pdf_not_installed"
    status = 406
    title = "This installation prints no PDF"
    detail = "The part that makes PDF files is not installed here."
    detail_zh = "本系统未安装 PDF 组件。"
    fix = "Ask for the other form (a page, a workbook); or the operators install the extra `pdf`."
    fix_zh = "请改用其他格式（网页或表格），或由运维人员安装 pdf 组件。"


class ChineseFontMissing(Problem):
    code = "chinese_font_missing"
    status = 503
    title = "This installation has no Chinese font"
    detail = "A PDF made here would show boxes where Chinese characters should be, so none is made."
    detail_zh = "本机缺少中文字体，生成的 PDF 会显示方框，因此不予生成。"
    fix = "The operators install a Chinese font, e.g. the package fonts-noto-cjk."
    fix_zh = "请由运维人员安装中文字体（例如 fonts-noto-cjk）。"


def pdf_of(page: str) -> bytes:
    """The HTML page as PDF, its fonts embedded; nothing outside the page is fetched.

    Raises ChineseFontMissing, PdfNotInstalled.
    """
    if not _chinese_is_readable():
        raise ChineseFontMissing
    return _printed(page)


@cache
def _chinese_is_readable() -> bool:
    """Two characters look different: without a font both are the same box."""
    return _drawn("医") != _drawn("药")


def _drawn(character: str) -> bytes:
    import pypdfium2

    page = _printed(PROOF % (FONTS, character))
    with PDFIUM:
        document = pypdfium2.PdfDocument(page)
        try:
            return bytes(document[0].render(scale=2).to_pil().tobytes())
        finally:
            document.close()


def _printed(page: str) -> bytes:
    try:
        import weasyprint
    except (ImportError, OSError):
        # An OSError: the libraries under it are missing.
        raise PdfNotInstalled from None
    content: bytes = weasyprint.HTML(string=page, url_fetcher=_nothing).write_pdf()
    return content


def _nothing(url: str, *_: Any, **__: Any) -> Any:
    raise ValueError("a page to print fetches nothing")
