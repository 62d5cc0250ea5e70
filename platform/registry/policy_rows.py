"""Rows of a file of policies, one per insured person, as typed values; each fault with its row and column. Pure.

No text of an error repeats a cell: files of policies are full of personal data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from core.money import EXPONENTS, LARGEST_MINOR
from registry.policy_files import CELL_CHARACTERS, Cell, FileRefused, TableRow
from registry.states import PolicyState, Relation

ERRORS_KEPT = 200
# What a column is called in a file, the Chinese name beside ours.
COLUMN_NAMES = {
    "policy_no": "保单号",
    "product": "产品代码",
    "starts_on": "保险起期",
    "ends_on": "保险止期",
    "first_started_on": "首次投保日",
    "sum_insured": "保额",
    "currency": "币种",
    "state": "保单状态",
    "name": "姓名",
    "id_type": "证件类型",
    "id_no": "证件号码",
    "born_on": "出生日期",
    "phone": "手机号",
    "relation": "与投保人关系",
    "pre_existing": "既往症",
    "basic_insurance": "基本医保",
    "member_starts_on": "加保日期",
    "member_ends_on": "退保日期",
}
REQUIRED = ("policy_no", "product", "starts_on", "ends_on", "sum_insured", "name", "id_no", "born_on")
KNOWN = {name: name for name in COLUMN_NAMES} | {chinese: name for name, chinese in COLUMN_NAMES.items()}
YES, NO = frozenset(("yes", "true", "1", "是")), frozenset(("no", "false", "0", "否"))
STATES = {"有效": PolicyState.IN_FORCE, "失效": PolicyState.LAPSED, "退保": PolicyState.CANCELLED}
RELATIONS = {"本人": Relation.SELF, "配偶": Relation.SPOUSE, "子女": Relation.CHILD, "父母": Relation.PARENT}
IDENTITY_CARD = "01"
ID_CARD = re.compile(r"[0-9]{17}[0-9X]")
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_DIGITS = "10X98765432"


@dataclass(frozen=True, slots=True)
class RowError:
    """`row` as a spreadsheet shows it, 0 for the file as a whole."""

    row: int
    column: str
    code: str
    text: str
    text_zh: str

    def shown(self) -> dict[str, Any]:
        return {
            "row": self.row,
            "column": self.column,
            "code": self.code,
            "text": self.text,
            "text_zh": self.text_zh,
        }


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """What one row says of policy, person and membership, as keyword arguments of their drafts."""

    number: int
    policy_no: str
    policy: dict[str, Any]
    person: dict[str, Any]
    member: dict[str, Any]


class _Fault(Exception):
    def __init__(self, code: str, text: str, text_zh: str) -> None:
        self.code, self.text, self.text_zh = code, text, text_zh
        super().__init__(text)


def policy_rows(table: Sequence[TableRow]) -> tuple[list[PolicyRow], list[RowError]]:
    """The rows without fault, and all faults. Raises FileRefused for a header that is not one of policies."""
    columns = _columns(table[0])
    rows: list[PolicyRow] = []
    errors: list[RowError] = []
    for line in table[1:]:
        row, faults = _row(line, columns)
        errors += faults
        if row is not None:
            rows.append(row)
    return rows, errors + _contradictions(rows)


def _columns(header: TableRow) -> list[str]:
    names = [str(cell).strip() for cell in header.cells]
    while names and not names[-1]:
        names.pop()
    unknown = [name for name in names if name not in KNOWN]
    columns = [KNOWN[name] for name in names if name in KNOWN]
    missing = [name for name in REQUIRED if name not in columns]
    if unknown or missing or len(columns) != len(set(columns)):
        raise FileRefused(
            explanation=f"The header is not one of policies: {len(unknown)} unknown or unnamed column(s), missing "
            f"{', '.join(missing) or 'none'}, each column once.",
            explanation_zh=f"表头不符：未知或空列 {len(unknown)} 个，缺少列："
            f"{'、'.join(COLUMN_NAMES[name] for name in missing) or '无'}，每列只能出现一次。",
        )
    return columns


def _row(line: TableRow, columns: list[str]) -> tuple[PolicyRow | None, list[RowError]]:
    values: dict[str, Any] = {}
    errors: list[RowError] = []
    cells = dict(zip(columns, line.cells, strict=False))
    for at, name in enumerate(columns):
        try:
            if at in line.formulas:
                raise _Fault("formula", "a formula; values only", "含公式，只接受数值")
            cell = cells.get(name, "")
            if cell == "" or (isinstance(cell, str) and not cell.strip()):
                if name in REQUIRED:
                    raise _Fault("missing", "empty", "不能为空")
                continue
            values[name] = READERS[name](cell)
        except _Fault as fault:
            errors.append(RowError(line.number, name, fault.code, fault.text, fault.text_zh))
    if any(isinstance(cell, str) and cell.strip() for cell in line.cells[len(columns) :]):
        errors.append(RowError(line.number, "", "beyond_header", "a cell without a column", "超出表头的单元格"))
    if not errors:
        errors += _identity(line.number, values)
    if errors:
        return None, errors
    return _made(line.number, values), []


def _made(number: int, values: dict[str, Any]) -> PolicyRow:
    currency = values.get("currency", "CNY")
    policy = {
        "product_code": values["product"],
        "starts_on": values["starts_on"],
        "ends_on": values["ends_on"],
        "first_started_on": values.get("first_started_on"),
        "sum_insured_minor": int(values["sum_insured"].scaleb(EXPONENTS[currency])),
        "currency": currency,
        "state": values.get("state", PolicyState.IN_FORCE),
    }
    person: dict[str, Any] = {
        name: values[name] for name in ("name", "id_type", "id_no", "born_on", "phone") if name in values
    }
    member: dict[str, Any] = {
        name: values[name] for name in ("relation", "pre_existing", "basic_insurance") if name in values
    }
    for name in ("starts_on", "ends_on"):
        member[name] = values.get(f"member_{name}")
    return PolicyRow(number, values["policy_no"], policy, person, member)


def _identity(number: int, values: dict[str, Any]) -> list[RowError]:
    """An identity card tells its holder's birthday, and a wrong digit by the last one (GB 11643)."""
    errors = []
    if values.get("id_type", IDENTITY_CARD) == IDENTITY_CARD:
        card = values["id_no"].upper()
        weighed = zip(card[:17], WEIGHTS, strict=True) if ID_CARD.fullmatch(card) else None
        if weighed is None or CHECK_DIGITS[sum(int(one) * weight for one, weight in weighed) % 11] != card[17]:
            errors.append(
                RowError(number, "id_no", "id_no", "no number of an identity card", "不是有效的居民身份证号码")
            )
        elif card[6:14] != f"{values['born_on']:%Y%m%d}":
            errors.append(RowError(number, "born_on", "born_on", "differs from the identity card", "与身份证号码不符"))
    exponent = EXPONENTS[values.get("currency", "CNY")]
    scaled = values["sum_insured"].scaleb(exponent)
    if scaled != scaled.to_integral_value() or not 0 < scaled <= LARGEST_MINOR:
        errors.append(
            RowError(
                number,
                "sum_insured",
                "amount",
                f"not an amount above zero with at most {exponent} decimals",
                f"须为大于零且最多 {exponent} 位小数的金额",
            )
        )
    return errors


def _contradictions(rows: list[PolicyRow]) -> list[RowError]:
    """Rows of one policy agree on it, and name each person once."""
    errors: list[RowError] = []
    policies: dict[str, PolicyRow] = {}
    seen: dict[tuple[str, str, str], int] = {}
    for row in rows:
        first = policies.setdefault(row.policy_no, row)
        if first.policy != row.policy:
            differs = next(name for name in row.policy if row.policy[name] != first.policy[name])
            text, text_zh = f"differs from row {first.number}", f"与第 {first.number} 行不一致"
            errors.append(RowError(row.number, differs, "policy_differs", text, text_zh))
        who = (row.policy_no, row.person.get("id_type", IDENTITY_CARD), row.person["id_no"].upper())
        earlier = seen.setdefault(who, row.number)
        if earlier != row.number:
            text, text_zh = f"the same person as in row {earlier}", f"与第 {earlier} 行为同一人"
            errors.append(RowError(row.number, "id_no", "duplicate", text, text_zh))
    return errors


def _text(cell: Cell) -> str:
    if not isinstance(cell, str):
        raise _Fault(
            "not_text",
            "kept as a number or date, and so perhaps rounded; format the column as text",
            "单元格为数字或日期格式，可能已失真；请将该列设为文本",
        )
    value = cell.strip()
    if len(value) > CELL_CHARACTERS or any(ord(character) < 32 for character in value):
        raise _Fault("text", f"longer than {CELL_CHARACTERS} or not plain text", "过长或含控制字符")
    return value


def _phone(cell: Cell) -> str:
    whole = isinstance(cell, int | float) and not isinstance(cell, bool) and cell == int(cell)
    return str(int(cell)) if whole else _text(cell)  # type: ignore[arg-type]


def _day(cell: Cell) -> date:
    if isinstance(cell, datetime):
        if (cell.hour, cell.minute, cell.second) != (0, 0, 0):
            raise _Fault("date", "a moment, not a day", "应为日期而非时刻")
        return cell.date()
    if isinstance(cell, date):
        return cell
    parts = re.fullmatch(r"([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})", cell.strip()) if isinstance(cell, str) else None
    try:
        if parts is not None:
            return date(int(parts[1]), int(parts[3]), int(parts[4]))
    except ValueError:
        pass
    raise _Fault("date", "no day written as 2026-01-31 or kept as a date", "不是 2026-01-31 形式的日期")


def _amount(cell: Cell) -> Decimal:
    """Major units. A spreadsheet's number is taken as it would show it."""
    text = cell.strip() if isinstance(cell, str) else repr(cell)
    if not isinstance(cell, bool) and re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,4})?", text):
        try:
            return Decimal(text)
        except InvalidOperation:
            pass
    raise _Fault("amount", "no amount written as 2000000 or 2000000.00", "不是 2000000 或 2000000.00 形式的金额")


def _flag(cell: Cell) -> bool:
    word = str(int(cell) if isinstance(cell, bool | float) else cell).strip().lower()
    if word in YES or word in NO:
        return word in YES
    raise _Fault("flag", "neither yes nor no", "应为“是”或“否”")


def _currency(cell: Cell) -> str:
    value = _text(cell).upper()
    if value not in EXPONENTS:
        raise _Fault("currency", "no currency of ours", "不支持的币种")
    return value


def _choice(words: dict[str, Any], choices: Any) -> Callable[[Cell], Any]:
    def read(cell: Cell) -> Any:
        word = _text(cell)
        if word in words:
            return words[word]
        try:
            return choices(word.upper())
        except ValueError:
            raise _Fault("choice", f"not one of {', '.join(choices.values)}", f"须为 {'、'.join(words)} 之一") from None

    return read


READERS: dict[str, Callable[[Cell], Any]] = {
    **dict.fromkeys(("policy_no", "product", "name", "id_type", "id_no"), _text),
    **dict.fromkeys(
        ("starts_on", "ends_on", "first_started_on", "born_on", "member_starts_on", "member_ends_on"), _day
    ),
    **dict.fromkeys(("pre_existing", "basic_insurance"), _flag),
    "sum_insured": _amount,
    "phone": _phone,
    "currency": _currency,
    "state": _choice(STATES, PolicyState),
    "relation": _choice(RELATIONS, Relation),
}
