"""Files of policies as rows of cells, whatever they were: XLSX or CSV. Pure: knows no table.

Nothing of a file is trusted: it is counted before it is unpacked, unpacked before it is read, and neither computed nor
repaired. What is no plain table is refused with the reason.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NoReturn

from python_calamine import CalamineError, CalamineWorkbook

from core.errors import Problem

Cell = str | int | float | bool | date | datetime | time | timedelta
FILE_BYTES = 5 * 1024 * 1024
UNPACKED_BYTES = 64 * 1024 * 1024
PARTS = 200
ROWS = 5_000
COLUMNS = 40
CELL_CHARACTERS = 200
CHUNK = 64 * 1024
COORDINATE = re.compile(rb"""\sr\s*=\s*["']([A-Z]{0,8})([0-9]{1,9})["']""")
FORMULA = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br\s*=\s*["']([A-Z]+)([0-9]+)["'][^>]*>\s*<(?:\w+:)?f[\s/>]""")
ANY_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
SIGNED_NUMBER = re.compile(r"[+-][0-9 ().,-]+")
CSV_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class FileRefused(Problem):
    code = "file_refused"
    status = 422
    title = "The file cannot be read as a table"
    detail = "{explanation}"
    detail_zh = "文件无法读取：{explanation_zh}"
    fix = "Save the table as plain XLSX or as CSV in UTF-8, one sheet, without formulas, and send it again."
    fix_zh = "请另存为普通 XLSX 或 UTF-8 编码的 CSV，仅含一个工作表且不含公式，然后重新提交。"


@dataclass(frozen=True, slots=True)
class TableRow:
    """`number` as a spreadsheet shows it. `formulas`: which of its cells were formulas."""

    number: int
    cells: Sequence[Cell]
    formulas: frozenset[int] = frozenset()


def rows_read(*, file_name: str, content: bytes) -> list[TableRow]:
    """The rows that hold anything, the header first. What the file is goes by its content. Raises FileRefused."""
    if len(content) > FILE_BYTES:
        _refuse(f"it has more than {FILE_BYTES // 1024**2} MB", f"超过 {FILE_BYTES // 1024**2} MB")
    is_workbook = content[:4] == b"PK\x03\x04"
    suffix = file_name.lower().rpartition(".")[2]
    if (suffix == "xlsx") != is_workbook or suffix not in ("xlsx", "csv"):
        _refuse(
            f"its name says {suffix[:10] or 'nothing'}, which its content is not, or which is not taken here",
            f"扩展名 {suffix[:10]} 与内容不符，或不支持该格式",
        )
    rows = [row for row in (_workbook(content) if is_workbook else _csv(content)) if any(_filled(row.cells))]
    if len(rows) < 2:
        _refuse("it has no row below its header", "除表头外没有任何数据行")
    if len(rows) > ROWS + 1:
        _refuse(f"it has more than {ROWS} rows", f"超过 {ROWS} 行")
    return rows


def _filled(cells: Sequence[Cell]) -> Iterator[bool]:
    return (not isinstance(cell, str) or bool(cell.strip()) for cell in cells)


def _csv(content: bytes) -> Iterator[TableRow]:
    reader = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    try:
        for number, cells in enumerate(reader, start=1):
            if number > ROWS * 2 or len(cells) > COLUMNS:
                _refuse(f"it has more than {ROWS} rows or {COLUMNS} columns", f"超过 {ROWS} 行或 {COLUMNS} 列")
            formulas = frozenset(at for at, cell in enumerate(cells) if _acts_as_formula(cell))
            yield TableRow(number, cells, formulas)
    except csv.Error as error:
        _refuse(f"row {reader.line_num} is not CSV ({error})", f"第 {reader.line_num} 行不符合 CSV 格式")


def _text(content: bytes) -> str:
    """UTF-8, or GB 18030 as spreadsheets in China save it. Raises FileRefused."""
    if b"\x00" in content:
        _refuse("it is not text", "不是文本文件")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    _refuse("it is neither UTF-8 nor GB 18030", "编码既不是 UTF-8 也不是 GB 18030")


def _acts_as_formula(cell: str) -> bool:
    """What a spreadsheet would compute when somebody opens the file, or an export of ours, with it."""
    return cell.startswith(CSV_FORMULA) and not SIGNED_NUMBER.fullmatch(cell)


def _workbook(content: bytes) -> list[TableRow]:
    formulas = _unpacked_check(content)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        if len(workbook.sheet_names) != 1:
            _refuse(f"it has {len(workbook.sheet_names)} sheets, not one", "工作表不是恰好一个")
        table = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False, nrows=ROWS * 2)
    except CalamineError:
        _refuse("it is not a sound XLSX file", "不是完好的 XLSX 文件")
    return [TableRow(number, cells, frozenset(formulas.get(number, ()))) for number, cells in enumerate(table, start=1)]


def _unpacked_check(content: bytes) -> dict[int, set[int]]:
    """Unpack every part once, within limits, before a reader does; returns the cells that are formulas, by row."""
    formulas: dict[int, set[int]] = {}
    left = UNPACKED_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if len(parts) > PARTS:
                _refuse(f"it packs more than {PARTS} parts", f"压缩包内超过 {PARTS} 个部分")
            if len({part.filename for part in parts}) != len(parts):
                _refuse("it packs two parts of one name", "压缩包内有重名部分")
            for part in parts:
                if "vba" in part.filename.lower():
                    _refuse("it holds a program (macros)", "含有宏程序")
                body = _unpacked(archive, part, left)
                left -= len(body)
                if part.filename.startswith("xl/worksheets/"):
                    _sheet_check(body, formulas)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError):
        _refuse("it is not a sound XLSX file", "不是完好的 XLSX 文件")
    return formulas


def _unpacked(archive: zipfile.ZipFile, part: zipfile.ZipInfo, left: int) -> bytes:
    body = bytearray()
    with archive.open(part) as stream:
        while chunk := stream.read(CHUNK):
            body += chunk
            if len(body) > left:
                _refuse(
                    f"unpacked it has more than {UNPACKED_BYTES // 1024**2} MB",
                    f"解压后超过 {UNPACKED_BYTES // 1024**2} MB",
                )
    return bytes(body)


def _sheet_check(body: bytes, formulas: dict[int, set[int]]) -> None:
    """One far cell would make a reader lay out everything between: coordinates are looked at before it reads."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        _refuse("it declares entities", "含有实体声明")
    for match in COORDINATE.finditer(body):
        if int(match[2]) > ROWS * 2 or _column(match[1]) >= COLUMNS:
            _refuse(f"it has more than {ROWS} rows or {COLUMNS} columns", f"超过 {ROWS} 行或 {COLUMNS} 列")
    named = list(FORMULA.finditer(body))
    for match in named:
        formulas.setdefault(int(match[2]), set()).add(_column(match[1]))
    if len(named) != len(ANY_FORMULA.findall(body)):
        _refuse("it holds formulas", "含有公式")


def _column(letters: bytes) -> int:
    """A -> 0, Z -> 25, AA -> 26; no letters, the first column."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return max(0, number - 1)


def _refuse(explanation: str, explanation_zh: str) -> NoReturn:
    raise FileRefused(explanation=f"The file is refused: {explanation}.", explanation_zh=f"{explanation_zh}。")
