"""Rows of a file of stock as typed values; each fault with its row and column. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from registry.policy_files import Cell, FileRefused, TableRow

COLUMN_NAMES: Final = {"sku": "商品编码", "lot_no": "批号", "expires_on": "有效期至", "quantity": "数量"}
KNOWN = {name: name for name in COLUMN_NAMES} | {chinese: name for name, chinese in COLUMN_NAMES.items()}
UNITS_MOST: Final = 100_000
CHARACTERS: Final = {"sku": 60, "lot_no": 40}


@dataclass(frozen=True, slots=True)
class StockRow:
    number: int
    drug_code: str
    lot_no: str
    expires_on: date
    quantity: int


@dataclass(frozen=True, slots=True)
class StockRowError:
    """`row` as a spreadsheet shows it."""

    row: int
    column: str
    code: str
    text: str
    text_zh: str


class _Fault(Exception):
    def __init__(self, code: str, text: str, text_zh: str) -> None:
        self.code, self.text, self.text_zh = code, text, text_zh
        super().__init__(text)


def stock_rows(
    table: Sequence[TableRow], *, skus: Mapping[str, str], today: date
) -> tuple[list[StockRow], list[StockRowError]]:
    """The rows without fault, and all faults. Raises FileRefused for a header that is not one of stock."""
    columns = _columns(table[0])
    rows: list[StockRow] = []
    errors: list[StockRowError] = []
    first: dict[tuple[str, str], int] = {}
    for line in table[1:]:
        row, faults = _row(line, columns, skus, today)
        errors += faults
        if row is None:
            continue
        earlier = first.setdefault((row.drug_code, row.lot_no), row.number)
        if earlier != row.number:
            text, text_zh = f"This lot is in row {earlier} already.", f"该批号已在第 {earlier} 行出现。"
            errors.append(StockRowError(row.number, "lot_no", "twice", text, text_zh))
        rows.append(row)
    return rows, errors


def _columns(header: TableRow) -> dict[str, int]:
    names = [str(cell).strip() for cell in header.cells]
    while names and not names[-1]:
        names.pop()
    places = {KNOWN[name]: at for at, name in enumerate(names) if name in KNOWN}
    missing = [name for name in COLUMN_NAMES if name not in places]
    if missing or len(places) != len(names):
        raise FileRefused(
            explanation=f"the header needs each of {', '.join(COLUMN_NAMES)} once and nothing else",
            explanation_zh=f"表头须恰好包含：{'、'.join(COLUMN_NAMES.values())}",
        )
    return places


def _row(
    line: TableRow, columns: Mapping[str, int], skus: Mapping[str, str], today: date
) -> tuple[StockRow | None, list[StockRowError]]:
    values: dict[str, Any] = {}
    errors: list[StockRowError] = []
    for name, at in columns.items():
        cell = line.cells[at] if at < len(line.cells) else ""
        try:
            if at in line.formulas:
                raise _Fault("formula", "A formula, not a value.", "该单元格是公式，不是数值。")
            values[name] = _value(name, cell, skus, today)
        except _Fault as fault:
            errors.append(StockRowError(line.number, name, fault.code, fault.text, fault.text_zh))
    if errors:
        return None, errors
    return StockRow(line.number, values["sku"], values["lot_no"], values["expires_on"], values["quantity"]), []


def _value(name: str, cell: Cell, skus: Mapping[str, str], today: date) -> object:
    if name == "expires_on":
        return _day(cell, today)
    if name == "quantity":
        return _quantity(cell)
    text = f"{cell:.0f}" if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
    if not text or len(text) > CHARACTERS[name]:
        raise _Fault(
            "unreadable", f"Empty, or longer than {CHARACTERS[name]}.", f"为空或超过 {CHARACTERS[name]} 个字符。"
        )
    if name == "lot_no":
        return text.upper()
    if text not in skus:
        raise _Fault("unknown_sku", "The shop has no such drug.", "本店没有该商品编码。")
    return skus[text]


def _day(cell: Cell, today: date) -> date:
    if isinstance(cell, datetime):
        found = cell.date()
    elif isinstance(cell, date):
        found = cell
    else:
        try:
            found = date.fromisoformat(str(cell).strip())
        except ValueError:
            raise _Fault("unreadable", "No date like 2027-06-30.", "日期格式应为 2027-06-30。") from None
    if found < today:
        raise _Fault("expired", "The lot has expired.", "该批号已过有效期。")
    return found


def _quantity(cell: Cell) -> int:
    text = str(cell).strip()
    if isinstance(cell, float) and cell.is_integer():
        text = f"{cell:.0f}"
    if isinstance(cell, bool) or not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= UNITS_MOST:
        raise _Fault("unreadable", f"No whole number from 1 to {UNITS_MOST}.", f"须为 1 至 {UNITS_MOST} 的整数。")
    return int(text)
