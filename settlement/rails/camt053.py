"""camt.053.001.08, BankToCustomerStatement: held against its structure, then read into entries that foot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from xml.etree import ElementTree

from settlement.rails.orders import EntryRead, StatementRead, StatementUnreadable
from settlement.rails.structure import (
    AMOUNT,
    ANYTHING,
    COUNT,
    CURRENCY,
    DATE,
    FLAG,
    MANY,
    MOMENT,
    Choice,
    Misbuilt,
    Of,
    Simple,
    day_of,
    minor_of,
    optional,
    structure_check,
    text,
    tree_of,
)
from settlement.states import Direction, StatementFormat

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
SIDE = Simple("CRDT or DBIT", "CRDT|DBIT")
DAY = Choice({"Dt": DATE, "DtTm": MOMENT})
CODE = Choice({"Cd": text(35), "Prtry": ANYTHING})
REMITTANCE = (optional("Ustrd", text(140), MANY), optional("Strd", most=MANY))
PARTY_NAME = Choice({"Pty": ANYTHING, "Agt": ANYTHING})
DETAILS = (
    optional(
        "Refs",
        (
            *(optional(name, text(35)) for name in ("MsgId", "AcctSvcrRef", "PmtInfId", "InstrId", "EndToEndId")),
            *(optional(name) for name in ("UETR", "TxId", "MndtId", "ChqNb", "ClrSysRef", "AcctOwnrTxId")),
            *(optional(name) for name in ("AcctSvcrTxId", "MktInfrstrctrTxId", "PrcgId")),
            optional("Prtry", most=MANY),
        ),
    ),
    optional("Amt", AMOUNT),
    optional("CdtDbtInd", SIDE),
    optional("AmtDtls"),
    optional("Avlbty", most=MANY),
    *(optional(name) for name in ("BkTxCd", "Chrgs", "Intrst")),
    optional(
        "RltdPties",
        (
            optional("InitgPty", PARTY_NAME),
            optional("Dbtr", PARTY_NAME),
            optional("DbtrAcct"),
            optional("UltmtDbtr"),
            optional("Cdtr", PARTY_NAME),
            optional("CdtrAcct"),
            *(optional(name) for name in ("UltmtCdtr", "TradgPty")),
            optional("Prtry", most=MANY),
        ),
    ),
    *(optional(name) for name in ("RltdAgts", "LclInstrm", "Purp")),
    optional("RltdRmtInf", most=10),
    optional("RmtInf", REMITTANCE),
    *(optional(name) for name in ("RltdDts", "RltdPric")),
    optional("RltdQties", most=MANY),
    *(optional(name) for name in ("FinInstrmId", "Tax")),
    optional(
        "RtrInf",
        (optional("OrgnlBkTxCd"), optional("Orgtr"), optional("Rsn", CODE), optional("AddtlInf", text(105), MANY)),
    ),
    *(optional(name) for name in ("CorpActn", "SfkpgAcct")),
    optional("CshDpst", most=MANY),
    *(optional(name) for name in ("CardTx", "AddtlTxInf")),
    optional("SplmtryData", most=MANY),
)
ENTRY = (
    optional("NtryRef", text(35)),
    Of("Amt", AMOUNT),
    Of("CdtDbtInd", SIDE),
    optional("RvslInd", FLAG),
    Of("Sts", Choice({"Cd": text(4), "Prtry": ANYTHING})),
    optional("BookgDt", DAY),
    optional("ValDt", DAY),
    optional("AcctSvcrRef", text(35)),
    optional("Avlbty", most=MANY),
    Of("BkTxCd", (optional("Domn"), optional("Prtry"))),
    *(optional(name) for name in ("ComssnWvrInd", "AddtlInfInd", "AmtDtls", "Chrgs", "TechInptChanl", "Intrst")),
    optional("CardTx"),
    optional("NtryDtls", (optional("Btch"), optional("TxDtls", DETAILS, MANY)), MANY),
    optional("AddtlNtryInf", text(500)),
)
STATEMENT = (
    Of("Id", text(35)),
    optional("StmtPgntn"),
    optional("ElctrncSeqNb", COUNT),
    *(optional(name) for name in ("RptgSeq", "LglSeqNb")),
    optional("CreDtTm", MOMENT),
    optional("FrToDt", (Of("FrDtTm", MOMENT), Of("ToDtTm", MOMENT))),
    *(optional(name) for name in ("CpyDplctInd", "RptgSrc")),
    Of(
        "Acct",
        (
            Of("Id", Choice({"IBAN": text(34), "Othr": (Of("Id", text(34)), optional("SchmeNm"), optional("Issr"))})),
            optional("Tp"),
            optional("Ccy", CURRENCY),
            *(optional(name) for name in ("Nm", "Prxy", "Ownr", "Svcr")),
        ),
    ),
    optional("RltdAcct"),
    optional("Intrst", most=MANY),
    Of(
        "Bal",
        (
            Of("Tp", (Of("CdOrPrtry", CODE), optional("SubTp"))),
            optional("CdtLine", most=MANY),
            Of("Amt", AMOUNT),
            Of("CdtDbtInd", SIDE),
            Of("Dt", DAY),
            optional("Avlbty", most=MANY),
        ),
        1,
        MANY,
    ),
    optional("TxsSummry"),
    optional("Ntry", ENTRY, MANY),
    optional("AddtlStmtInf"),
)
DOCUMENT = (
    Of(
        "BkToCstmrStmt",
        (
            Of(
                "GrpHdr",
                (
                    Of("MsgId", text(35)),
                    Of("CreDtTm", MOMENT),
                    *(optional(name) for name in ("MsgRcpt", "MsgPgntn", "OrgnlBizQry", "AddtlInf")),
                ),
            ),
            Of("Stmt", STATEMENT, 1, MANY),
            optional("SplmtryData", most=MANY),
        ),
    ),
)


def camt053_read(raw: bytes) -> StatementRead:
    """The one statement in the file. Raises StatementUnreadable."""
    try:
        root = tree_of(raw)
        if root.tag != f"{{{NAMESPACE}}}Document":
            raise Misbuilt("Document", "not a camt.053.001.08")
        structure_check(root, DOCUMENT, namespace=NAMESPACE, place="Document")
        statements = root.findall(_path("BkToCstmrStmt/Stmt"))
        if len(statements) != 1:
            raise Misbuilt("Stmt", "more than one statement in the file")
        return _statement(statements[0])
    except Misbuilt as wrong:
        raise StatementUnreadable(place=wrong.place, fault=wrong.fault) from None


def _statement(statement: ElementTree.Element) -> StatementRead:
    opening, currency, first = _balance(statement, ("OPBD", "PRCD"))
    closing, closing_currency, last = _balance(statement, ("CLBD",))
    if closing_currency != currency:
        raise Misbuilt("Stmt/Bal", "opening and closing are in two currencies")
    entries = tuple(entry for row in statement.findall(_path("Ntry")) for entry in _entries(row))
    for entry in entries:
        if entry.currency != currency:
            raise Misbuilt("Stmt/Ntry/Amt", f"{entry.currency} on a statement in {currency}")
    moved = sum(one.amount_minor if one.direction == Direction.CREDIT else -one.amount_minor for one in entries)
    if opening + moved != closing:
        raise Misbuilt(
            "Stmt/Bal", f"the entries lead from the opening to {opening + moved}, not {closing}, minor units"
        )
    days = [entry.value_date for entry in entries]
    return StatementRead(
        format=StatementFormat.CAMT053,
        statement_no=_text(statement, "Id"),
        account_no=_text(statement, "Acct/Id/Othr/Id") or _text(statement, "Acct/Id/IBAN"),
        currency=currency,
        opening_minor=opening,
        closing_minor=closing,
        first_day=min([first, last, *days]),
        last_day=max([first, last, *days]),
        entries=entries,
    )


def _balance(statement: ElementTree.Element, codes: tuple[str, ...]) -> tuple[int, str, date]:
    for code in codes:
        for balance in statement.findall(_path("Bal")):
            if _text(balance, "Tp/CdOrPrtry/Cd") == code:
                minor, currency = minor_of(_one(balance, "Amt"), f"Stmt/Bal[{code}]/Amt")
                signed = minor if _text(balance, "CdtDbtInd") == "CRDT" else -minor
                return signed, currency, _day(balance, "Dt", f"Stmt/Bal[{code}]/Dt")
    raise Misbuilt("Stmt/Bal", f"no balance {' or '.join(codes)}")


def _entries(row: ElementTree.Element) -> Iterator[EntryRead]:
    if _text(row, "Sts/Cd") != "BOOK":
        return
    place = "Stmt/Ntry"
    reference = _text(row, "AcctSvcrRef") or _text(row, "NtryRef")
    if not reference:
        raise Misbuilt(place, "a booked entry without a reference of the bank")
    minor, currency = minor_of(_one(row, "Amt"), f"{place}/Amt")
    if minor <= 0:
        raise Misbuilt(f"{place}/Amt", "is not above zero")
    direction = Direction.CREDIT if _text(row, "CdtDbtInd") == "CRDT" else Direction.DEBIT
    value_date = _day(row, "ValDt" if row.find(_path("ValDt")) is not None else "BookgDt", f"{place}/ValDt")
    details = row.findall(_path("NtryDtls/TxDtls"))
    if len(details) <= 1:
        yield _entry(details[0] if details else row, row, reference, direction, minor, currency, value_date)
        return
    # One booking of several transfers: each is a line of its own, and together they are the booking.
    parts = [minor_of(_one(one, "Amt", f"{place}/NtryDtls/TxDtls/Amt"), f"{place}/TxDtls/Amt")[0] for one in details]
    if sum(parts) != minor:
        raise Misbuilt(f"{place}/NtryDtls", f"its parts are {sum(parts)}, the entry {minor}, minor units")
    for at, (one, part) in enumerate(zip(details, parts, strict=True), 1):
        yield _entry(one, row, f"{reference}/{at}", direction, part, currency, value_date)


def _entry(
    detail: ElementTree.Element,
    row: ElementTree.Element,
    reference: str,
    direction: Direction,
    minor: int,
    currency: str,
    value_date: date,
) -> EntryRead:
    returned = detail.find(_path("RtrInf")) is not None
    # The other side of a debit is the creditor; of a return it is still whom we had paid.
    side = "Cdtr" if direction == Direction.DEBIT or returned else "Dbtr"
    lines = [line.text or "" for line in detail.findall(_path("RmtInf/Ustrd"))]
    note = " ".join(line.strip() for line in lines) or _text(row, "AddtlNtryInf")
    return EntryRead(
        bank_reference=reference,
        direction=direction,
        amount_minor=minor,
        currency=currency,
        value_date=value_date,
        remittance=note[:500],
        counterparty_name=_text(detail, f"RltdPties/{side}/Pty/Nm")[:140],
        counterparty_account=(
            _text(detail, f"RltdPties/{side}Acct/Id/Othr/Id") or _text(detail, f"RltdPties/{side}Acct/Id/IBAN")
        )[:34],
        end_to_end_id=_text(detail, "Refs/EndToEndId"),
        return_code=(_text(detail, "RtrInf/Rsn/Cd") or "unstated") if returned else "",
    )


def _day(element: ElementTree.Element, name: str, place: str) -> date:
    return day_of(_text(element, f"{name}/Dt") or _text(element, f"{name}/DtTm"), place)


def _one(element: ElementTree.Element, name: str, place: str = "") -> ElementTree.Element:
    found = element.find(_path(name))
    if found is None:
        raise Misbuilt(place or name, "missing")
    return found


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(_path(path)) or "").strip()


def _path(path: str) -> str:
    return "/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/"))
