"""pain.001.001.09, CustomerCreditTransferInitiation: the order to pay, written and held against its own structure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree

from settlement.rails.orders import RailAccount, Transfer, TransferUnfit
from settlement.rails.structure import (
    AMOUNT,
    ANYTHING,
    COUNT,
    CURRENCY,
    DATE,
    FLAG,
    MANY,
    MOMENT,
    NUMBER,
    Choice,
    Misbuilt,
    Of,
    Simple,
    amount_text,
    moment_text,
    optional,
    structure_check,
    text,
)

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
IDENTIFIER = Simple("an identifier of 1 to 35 plain characters", r"[A-Za-z0-9/\-?:().,'+ ]{1,35}")

PARTY = (optional("Nm", text(140)), optional("PstlAdr"), optional("Id"), optional("CtryOfRes"), optional("CtctDtls"))
NAMED = (Of("Nm", text(140)), *PARTY[1:])
ACCOUNT = (
    Of(
        "Id",
        Choice(
            {
                "IBAN": Simple("an IBAN", r"[A-Z]{2}\d{2}[A-Za-z0-9]{1,30}"),
                "Othr": (Of("Id", text(34)), optional("SchmeNm"), optional("Issr", text(35))),
            }
        ),
    ),
    optional("Tp"),
    optional("Ccy", CURRENCY),
    optional("Nm", text(70)),
    optional("Prxy"),
)
AGENT = (
    Of(
        "FinInstnId",
        (
            optional("BICFI", Simple("a BIC", r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")),
            optional("ClrSysMmbId", (optional("ClrSysId"), Of("MmbId", text(35)))),
            optional("LEI"),
            optional("Nm", text(140)),
            optional("PstlAdr"),
            optional("Othr", (Of("Id", text(35)), optional("SchmeNm"), optional("Issr", text(35)))),
        ),
    ),
    optional("BrnchId"),
)
TRANSFER = (
    Of("PmtId", (optional("InstrId", IDENTIFIER), Of("EndToEndId", IDENTIFIER), optional("UETR"))),
    optional("PmtTpInf"),
    Of("Amt", Choice({"InstdAmt": AMOUNT, "EqvtAmt": ANYTHING})),
    *(optional(name) for name in ("XchgRateInf", "ChrgBr", "MndtRltdInf", "ChqInstr", "UltmtDbtr")),
    *(optional(f"IntrmyAgt{at}{more}") for at in (1, 2, 3) for more in ("", "Acct")),
    optional("CdtrAgt", AGENT),
    optional("CdtrAgtAcct"),
    Of("Cdtr", NAMED),
    Of("CdtrAcct", ACCOUNT),
    optional("UltmtCdtr"),
    *(optional(name, most=MANY) for name in ("InstrForCdtrAgt",)),
    *(optional(name) for name in ("InstrForDbtrAgt", "Purp")),
    optional("RgltryRptg", most=10),
    optional("Tax"),
    optional("RltdRmtInf", most=10),
    optional("RmtInf", (optional("Ustrd", text(140), MANY), optional("Strd", most=MANY))),
    optional("SplmtryData", most=MANY),
)
PAYMENT = (
    Of("PmtInfId", IDENTIFIER),
    Of("PmtMtd", Simple("CHK, TRF or TRA", "CHK|TRF|TRA")),
    *(optional(name) for name in ("ReqdAdvcTp",)),
    optional("BtchBookg", FLAG),
    optional("NbOfTxs", COUNT),
    optional("CtrlSum", NUMBER),
    optional("PmtTpInf"),
    Of("ReqdExctnDt", Choice({"Dt": DATE, "DtTm": MOMENT})),
    optional("PoolgAdjstmntDt", DATE),
    Of("Dbtr", NAMED),
    Of("DbtrAcct", ACCOUNT),
    Of("DbtrAgt", AGENT),
    *(optional(name) for name in ("DbtrAgtAcct", "InstrForDbtrAgt", "UltmtDbtr", "ChrgBr", "ChrgsAcct")),
    optional("ChrgsAcctAgt"),
    Of("CdtTrfTxInf", TRANSFER, 1, MANY),
)
DOCUMENT = (
    Of(
        "CstmrCdtTrfInitn",
        (
            Of(
                "GrpHdr",
                (
                    Of("MsgId", IDENTIFIER),
                    Of("CreDtTm", MOMENT),
                    optional("Authstn", most=2),
                    Of("NbOfTxs", COUNT),
                    optional("CtrlSum", NUMBER),
                    Of("InitgPty", PARTY),
                    optional("FwdgAgt"),
                    optional("InitnSrc"),
                ),
            ),
            Of("PmtInf", PAYMENT, 1, MANY),
            optional("SplmtryData", most=MANY),
        ),
    ),
)


def pain001_write(transfers: Sequence[Transfer], *, message_id: str, account: RailAccount, now: datetime) -> bytes:
    """The file, checked against the structure before anybody sees it. Raises TransferUnfit."""
    if not transfers:
        raise TransferUnfit(place="file", fault="holds no payment")
    strange = {transfer.currency for transfer in transfers} - {account.currency}
    if strange:
        raise TransferUnfit(place="InstdAmt", fault=f"{', '.join(sorted(strange))} from an account in another currency")
    root = _document(transfers, message_id, account, now)
    pain001_check(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def pain001_check(root: ElementTree.Element) -> None:
    """Raises TransferUnfit with the first place that a bank would refuse: structure, then count and sum."""
    try:
        if root.tag != f"{{{NAMESPACE}}}Document":
            raise Misbuilt("Document", "not a pain.001.001.09")
        structure_check(root, DOCUMENT, namespace=NAMESPACE, place="Document")
        for head in [*root.iter(_tag("GrpHdr")), *root.iter(_tag("PmtInf"))]:
            scope = root if head.tag == _tag("GrpHdr") else head
            count = len(list(scope.iter(_tag("CdtTrfTxInf"))))
            if head.findtext(_tag("NbOfTxs"), str(count)) != str(count):
                raise Misbuilt(f"{head.tag.rpartition('}')[2]}/NbOfTxs", f"there are {count}")
    except Misbuilt as wrong:
        raise TransferUnfit(place=wrong.place, fault=wrong.fault) from None


def _document(
    transfers: Sequence[Transfer], message_id: str, account: RailAccount, now: datetime
) -> ElementTree.Element:
    total = amount_text(sum(transfer.amount_minor for transfer in transfers), account.currency)
    root = ElementTree.Element(_tag("Document"), {})
    start = _sub(root, "CstmrCdtTrfInitn")
    header = _sub(start, "GrpHdr")
    for name, value in (("MsgId", message_id), ("CreDtTm", moment_text(now)), ("NbOfTxs", str(len(transfers)))):
        _sub(header, name, value)
    _sub(header, "CtrlSum", total)
    _sub(_sub(header, "InitgPty"), "Nm", account.holder)
    payment = _sub(start, "PmtInf")
    for name, value in (("PmtInfId", message_id), ("PmtMtd", "TRF"), ("BtchBookg", "false")):
        _sub(payment, name, value)
    _sub(payment, "NbOfTxs", str(len(transfers)))
    _sub(payment, "CtrlSum", total)
    _sub(_sub(payment, "ReqdExctnDt"), "Dt", transfers[0].execute_on.isoformat())
    _sub(_sub(payment, "Dbtr"), "Nm", account.holder)
    debtor = _sub(payment, "DbtrAcct")
    _sub(_sub(_sub(debtor, "Id"), "Othr"), "Id", account.account_no)
    _sub(debtor, "Ccy", account.currency)
    _agent(payment, "DbtrAgt", account.bank_code)
    for transfer in transfers:
        _transfer(payment, transfer)
    return root


def _transfer(payment: ElementTree.Element, transfer: Transfer) -> None:
    row = _sub(payment, "CdtTrfTxInf")
    names = _sub(row, "PmtId")
    _sub(names, "InstrId", transfer.message_id)
    _sub(names, "EndToEndId", transfer.message_id)
    amount = _sub(_sub(row, "Amt"), "InstdAmt", amount_text(transfer.amount_minor, transfer.currency))
    amount.set("Ccy", transfer.currency)
    _agent(row, "CdtrAgt", transfer.payee_bank)
    _sub(_sub(row, "Cdtr"), "Nm", transfer.payee_name)
    _sub(_sub(_sub(_sub(row, "CdtrAcct"), "Id"), "Othr"), "Id", transfer.payee_account)
    if transfer.remittance:
        _sub(_sub(row, "RmtInf"), "Ustrd", transfer.remittance)


def _agent(parent: ElementTree.Element, name: str, code: str) -> None:
    _sub(_sub(_sub(_sub(parent, name), "FinInstnId"), "ClrSysMmbId"), "MmbId", code)


def _sub(parent: ElementTree.Element, name: str, value: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, _tag(name))
    child.text = value
    return child


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
