"""The bank's own reading of pain.001 and writing of camt.053. It shares no line with whoever writes to it."""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.etree import ElementTree

from .book import Order

PAIN = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
CAMT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
EXPONENTS = {"CNY": 2, "HKD": 2, "MOP": 2, "USD": 2, "EUR": 2, "JPY": 0}
ID = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]{1,35}")


class BadFile(Exception):
    """The file is not what this bank reads; nothing was taken."""


def payment_read(raw: bytes) -> Order:
    """The one credit transfer of a pain.001.001.09. Raises BadFile."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise BadFile("not UTF-8") from None
    if "<!" in text.replace("<!--", ""):
        raise BadFile("a declaration")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without declarations there is nothing to expand.
    except ElementTree.ParseError:
        raise BadFile("not well-formed") from None
    start = f"{{{PAIN}}}CstmrCdtTrfInitn"
    if root.tag != f"{{{PAIN}}}Document" or [child.tag for child in root] != [start]:
        raise BadFile("not a pain.001.001.09")
    transfers = root.findall(f"{start}/{{{PAIN}}}PmtInf/{{{PAIN}}}CdtTrfTxInf")
    if len(transfers) != 1 or _text(root, "CstmrCdtTrfInitn/GrpHdr/NbOfTxs") != "1":
        raise BadFile("one transfer in each file")
    transfer = transfers[0]
    amount = transfer.find(_path("Amt/InstdAmt"))
    if amount is None:
        raise BadFile("no InstdAmt")
    currency = amount.get("Ccy", "")
    order = Order(
        message_id=_text(transfer, "PmtId/EndToEndId"),
        account_no=_text(root, "CstmrCdtTrfInitn/PmtInf/DbtrAcct/Id/Othr/Id"),
        payee_account=_text(transfer, "CdtrAcct/Id/Othr/Id"),
        payee_name=_text(transfer, "Cdtr/Nm"),
        amount_minor=_minor(amount.text or "", currency),
        currency=currency,
        remittance=transfer.findtext(_path("RmtInf/Ustrd")) or "",
    )
    if not ID.fullmatch(order.message_id) or len(order.payee_name) > 140:
        raise BadFile("a text is too long or holds strange characters")
    if _text(root, "CstmrCdtTrfInitn/GrpHdr/MsgId") != order.message_id:
        raise BadFile("MsgId and EndToEndId differ")
    return order


def _path(path: str) -> str:
    return "/".join(f"{{{PAIN}}}{name}" for name in path.split("/"))


def _text(element: ElementTree.Element, path: str) -> str:
    found = (element.findtext(_path(path)) or "").strip()
    if not found:
        raise BadFile(f"no {path}")
    return found


def _minor(text: str, currency: str) -> int:
    try:
        minor = Decimal(text).scaleb(EXPONENTS[currency])
    except (InvalidOperation, KeyError):
        raise BadFile("not an amount in a currency of this bank") from None
    if not minor.is_finite() or minor != minor.to_integral_value() or not 0 < minor < 10**15:
        raise BadFile("not an amount")
    return int(minor)


def _amount(minor: int, currency: str) -> str:
    exponent = EXPONENTS[currency]
    return f"{Decimal(abs(minor)).scaleb(-exponent):.{exponent}f}"


def statement_write(
    *, account: dict[str, Any], number: int, opening_minor: int, entries: list[dict[str, Any]], now: float, day: str
) -> tuple[bytes, int]:
    """A camt.053.001.08 and its closing balance."""
    ElementTree.register_namespace("", CAMT)
    root = ElementTree.Element(f"{{{CAMT}}}Document")
    body = _sub(root, "BkToCstmrStmt")
    made = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    header = _sub(body, "GrpHdr")
    _sub(header, "MsgId", f"STMT-{account['account_no'][-8:]}-{number}")
    _sub(header, "CreDtTm", made)
    statement = _sub(body, "Stmt")
    _sub(statement, "Id", f"{account['account_no'][-8:]}-{number:06d}")
    _sub(statement, "ElctrncSeqNb", str(number))
    _sub(statement, "CreDtTm", made)
    days = [entry["value_date"] for entry in entries] or [day]
    period = _sub(statement, "FrToDt")
    _sub(period, "FrDtTm", f"{min(days)}T00:00:00Z")
    _sub(period, "ToDtTm", f"{max(days)}T23:59:59Z")
    holder = _sub(statement, "Acct")
    _sub(_sub(_sub(holder, "Id"), "Othr"), "Id", account["account_no"])
    _sub(holder, "Ccy", account["currency"])
    _sub(holder, "Nm", account["holder"])
    closing = opening_minor + sum(e["amount_minor"] * (1 if e["direction"] == "CRDT" else -1) for e in entries)
    for code, minor, on in (("OPBD", opening_minor, min(days)), ("CLBD", closing, max(days))):
        _balance(statement, code, minor, account["currency"], on)
    for entry in entries:
        _entry(statement, entry)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="utf-8"), closing


def _sub(parent: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, f"{{{CAMT}}}{name}")
    child.text = text
    return child


def _balance(statement: ElementTree.Element, code: str, minor: int, currency: str, day: str) -> None:
    balance = _sub(statement, "Bal")
    _sub(_sub(_sub(balance, "Tp"), "CdOrPrtry"), "Cd", code)
    _sub(balance, "Amt", _amount(minor, currency)).set("Ccy", currency)
    _sub(balance, "CdtDbtInd", "CRDT" if minor >= 0 else "DBIT")
    _sub(_sub(balance, "Dt"), "Dt", day)


def _entry(statement: ElementTree.Element, entry: dict[str, Any]) -> None:
    row = _sub(statement, "Ntry")
    reference = f"SB{entry['id']:012d}"
    _sub(row, "NtryRef", reference)
    _sub(row, "Amt", _amount(entry["amount_minor"], entry["currency"])).set("Ccy", entry["currency"])
    _sub(row, "CdtDbtInd", entry["direction"])
    if entry["return_code"]:
        _sub(row, "RvslInd", "true")
    _sub(_sub(row, "Sts"), "Cd", "BOOK")
    _sub(_sub(row, "BookgDt"), "Dt", entry["value_date"])
    _sub(_sub(row, "ValDt"), "Dt", entry["value_date"])
    _sub(row, "AcctSvcrRef", reference)
    _sub(_sub(_sub(row, "BkTxCd"), "Prtry"), "Cd", "TRF")
    details = _sub(_sub(row, "NtryDtls"), "TxDtls")
    if entry["end_to_end_id"]:
        _sub(_sub(details, "Refs"), "EndToEndId", entry["end_to_end_id"])
    if entry["name"]:
        # The other side of the entry; of a return it is still the payee who gave it back.
        side = "Cdtr" if entry["direction"] == "DBIT" or entry["return_code"] else "Dbtr"
        parties = _sub(details, "RltdPties")
        _sub(_sub(_sub(parties, side), "Pty"), "Nm", entry["name"])
        if entry["other_account"]:
            _sub(_sub(_sub(_sub(parties, f"{side}Acct"), "Id"), "Othr"), "Id", entry["other_account"])
    if entry["remittance"]:
        _sub(_sub(details, "RmtInf"), "Ustrd", entry["remittance"])
    if entry["return_code"]:
        _sub(_sub(_sub(details, "RtrInf"), "Rsn"), "Cd", entry["return_code"])
