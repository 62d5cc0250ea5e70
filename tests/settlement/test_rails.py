"""The rails: what is written to banks and read from them, against the published structure; one through a real bank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from exchange.transport import Receipt
from settlement.rails import (
    RAILS,
    RailAccount,
    RailReply,
    StatementRead,
    StatementUnreadable,
    Transfer,
    TransferUnfit,
    pain001_write,
    statement_read,
)
from settlement.rails.csv_statement import COLUMNS
from settlement.rails.pain001 import NAMESPACE, pain001_check
from settlement.states import BankOutcome, Direction, StatementFormat
from tests.settlement.bank.process import ACCOUNT, PAYEE, SECRET, SandboxBank, number, unused_folder

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
OURS = RailAccount("MediSettle", ACCOUNT, "SANDBANK", "CNY", key_id="k1", secret=SECRET)
CAMT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


def transfer(message_id: str = "MSP1", **changes: Any) -> Transfer:
    values: dict[str, Any] = {
        "message_id": message_id,
        "payee_name": "康泰大药房",
        "payee_account": PAYEE,
        "payee_bank": "BANK-7",
        "amount_minor": 4000,
        "currency": "CNY",
        "remittance": "S261125-ABCDEFGH",
        "execute_on": date(2026, 11, 25),
    }
    return Transfer(**(values | changes))


def written(*transfers: Transfer) -> ElementTree.Element:
    return ElementTree.fromstring(pain001_write(transfers, message_id="FILE-1", account=OURS, now=NOW))


def tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


# pain.001 -----------------------------------------------------------------------------------------------------------


def test_an_order_carries_amount_names_and_its_one_id() -> None:
    root = written(transfer(), transfer("MSP2", amount_minor=1))
    assert [one.text for one in root.iter(tag("EndToEndId"))] == ["MSP1", "MSP2"]
    assert [(one.text, one.get("Ccy")) for one in root.iter(tag("InstdAmt"))] == [("40.00", "CNY"), ("0.01", "CNY")]
    assert [one.text for one in root.iter(tag("CtrlSum"))] == ["40.01", "40.01"]
    assert next(iter(root.iter(tag("Cdtr"))))[0].text == "康泰大药房"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"message_id": "x" * 36}, "PmtId/InstrId"),
        ({"message_id": "号1"}, "PmtId/InstrId"),
        ({"payee_name": ""}, "Cdtr/Nm"),
        ({"payee_name": "n" * 141}, "Cdtr/Nm"),
        ({"payee_account": "1" * 35}, "CdtrAcct/Id/Othr/Id"),
        ({"remittance": "r" * 141}, "RmtInf/Ustrd"),
        ({"currency": "HKD"}, "InstdAmt"),
    ],
)
def test_an_order_that_a_bank_would_refuse_is_never_written(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(TransferUnfit) as refused:
        written(transfer(**changes))
    assert place in refused.value.text("detail")


def test_a_file_without_payments_is_none() -> None:
    with pytest.raises(TransferUnfit):
        written()


def test_the_order_of_elements_and_the_count_are_checked() -> None:
    root = written(transfer())
    header = next(root.iter(tag("GrpHdr")))
    header.find(tag("NbOfTxs")).text = "2"  # type: ignore[union-attr]
    with pytest.raises(TransferUnfit, match="there are 1"):
        pain001_check(root)
    root = written(transfer())
    payment = next(root.iter(tag("PmtInf")))
    payment.append(payment[0])
    payment.remove(payment[0])
    with pytest.raises(TransferUnfit, match="PmtInfId: missing, or not in its place"):
        pain001_check(root)


# camt.053 -----------------------------------------------------------------------------------------------------------


def camt(entries: str = "", opening: str = "100.00", closing: str = "100.00", currency: str = "CNY") -> bytes:
    def balance(code: str, amount: str) -> str:
        return (
            f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='{currency}'>{amount}</Amt>"
            "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-25</Dt></Dt></Bal>"
        )

    return (
        f"<Document xmlns='{CAMT}'><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-25T08:00:00Z</CreDtTm>"
        f"</GrpHdr><Stmt><Id>S-1</Id><Acct><Id><Othr><Id>{ACCOUNT}</Id></Othr></Id></Acct>"
        f"{balance('OPBD', opening)}{balance('CLBD', closing)}{entries}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def entry(amount: str = "40.00", side: str = "CRDT", details: str = "", **changes: str) -> str:
    values = {"currency": "CNY", "status": "BOOK", "reference": "R-1"} | changes
    return (
        f"<Ntry><Amt Ccy='{values['currency']}'>{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>"
        f"<Sts><Cd>{values['status']}</Cd></Sts><ValDt><Dt>2026-11-24</Dt></ValDt>"
        f"<AcctSvcrRef>{values['reference']}</AcctSvcrRef><BkTxCd/>{details}</Ntry>"
    )


def part(amount: str, note: str) -> str:
    return f"<TxDtls><Amt Ccy='CNY'>{amount}</Amt><RmtInf><Ustrd>{note}</Ustrd></RmtInf></TxDtls>"


def read(raw: bytes, kind: StatementFormat = StatementFormat.CAMT053) -> StatementRead:
    return statement_read(raw, format=kind)


def test_a_statement_is_read_into_entries_that_foot() -> None:
    statement = read(camt(entry() + entry("15.00", "DBIT", reference="R-2"), closing="125.00"))
    assert (statement.opening_minor, statement.closing_minor) == (10_000, 12_500)
    assert [(one.direction, one.amount_minor) for one in statement.entries] == [("CREDIT", 4000), ("DEBIT", 1500)]
    assert statement.first_day == date(2026, 11, 24)


def test_one_booking_of_several_transfers_is_several_entries() -> None:
    details = f"<NtryDtls>{part('30.00', 'one')}{part('10.00', 'two')}</NtryDtls>"
    statement = read(camt(entry(details=details), closing="140.00"))
    assert [(one.bank_reference, one.amount_minor, one.remittance) for one in statement.entries] == [
        ("R-1/1", 3000, "one"),
        ("R-1/2", 1000, "two"),
    ]


def test_what_is_only_pending_is_no_entry() -> None:
    assert read(camt(entry(status="PDNG"))).entries == ()


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", "not well-formed"),
        (b"\xff\xfe", "not UTF-8"),
        (b"<Document/>", "not a camt.053"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"),
        (camt(entry()), "lead from the opening to 14000, not 10000"),
        (camt(entry(currency="HKD"), closing="140.00"), "HKD on a statement in CNY"),
        (camt(entry("40.001"), closing="140.00"), "no whole amount"),
        (camt(currency="XXX"), "not one that we keep"),
        (camt(entry(reference=""), closing="140.00"), "is not a text of 1 to 35"),
        (camt(entry(side="PLUS"), closing="140.00"), "is not CRDT or DBIT"),
        (camt(entry("-40.00"), closing="60.00"), "is not an amount"),
        (camt(entry(details="<Strange/>"), closing="140.00"), "Strange: unknown, or not in its place"),
        (camt().replace(b"<Id>S-1</Id>", b""), "Stmt/Id: missing, or not in its place"),
        (camt().replace(b"OPBD", b"XXXX"), "no balance OPBD"),
        (camt(entry(details=f"<NtryDtls>{part('30.00', 'a')}{part('9.00', 'b')}</NtryDtls>"), closing="140.00"),
         "its parts are 3900"),
    ],
)  # fmt: skip
def test_a_statement_that_is_not_built_right_is_refused_with_its_place(raw: bytes, fault: str) -> None:
    with pytest.raises(StatementUnreadable) as refused:
        read(raw)
    assert fault in refused.value.text("detail")


# CSV ----------------------------------------------------------------------------------------------------------------


def csv_of(*rows: str) -> str:
    return "\n".join([",".join(COLUMNS), *rows])


OPENING = "O,2026/4,6225,CNY,2026-11-24,,,100.00,,,,,"
CLOSING = "C,,,,2026-11-25,,,60.00,,,,,"
LINE = 'E,,,,2026-11-24,R1,D,40.00,"a, b",康泰,6217,MSP1,'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_csv_statement_is_read(encoding: str) -> None:
    statement = read(csv_of(OPENING, LINE, CLOSING).encode(encoding), StatementFormat.CSV)
    (one,) = statement.entries
    assert (one.direction, one.amount_minor, one.counterparty_name) == (Direction.DEBIT, 4000, "康泰")
    assert (one.remittance, one.end_to_end_id, statement.closing_minor) == ("a, b", "MSP1", 6000)


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ((OPENING, CLOSING), "file: the rows lead from the opening to 10000"),
        ((OPENING, LINE), "ends with a row C"),
        ((OPENING, LINE + ",", CLOSING), "row 3: 14 columns"),
        ((OPENING, LINE.replace("R1", ""), CLOSING), "row 3: an entry is E with a reference"),
        ((OPENING, LINE.replace("40.00", "forty"), CLOSING), "row 3: is not an amount"),
        ((OPENING, LINE.replace("2026-11-24", "24.11.2026"), CLOSING), "row 3: is not a day"),
        ((OPENING.replace("CNY", "XXX"), LINE, CLOSING), "row 2: the currency XXX"),
        ((OPENING, LINE.replace("E,,,,", "E,,,HKD,"), CLOSING), "row 3: HKD on a statement in CNY"),
    ],
)
def test_a_csv_that_is_wrong_names_its_row(rows: tuple[str, ...], fault: str) -> None:
    with pytest.raises(StatementUnreadable) as refused:
        read(csv_of(*rows).encode(), StatementFormat.CSV)
    assert fault in refused.value.text("detail")


# The sandbox bank's rail --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxBank]:
    running = SandboxBank(unused_folder(tmp_path_factory.getbasetemp())).start()
    yield running
    running.kill()


@pytest.fixture
def call(bank: SandboxBank) -> Callable[[str, Transfer], RailReply]:
    """Build with the rail, send, and read the answer with the rail."""
    bank.reset()
    rail = RAILS["sandbox"]
    account = replace(OURS, base_url=bank.url)

    def one(name: str, order: Transfer) -> RailReply:
        wire_id = number()
        build = rail.send if name == "send" else rail.query
        message = build(order, account=account, wire_id=wire_id, now=datetime.now(UTC))
        answer = bank.post(message.url.rpartition("/")[2], message.body, message.headers)
        receipt = Receipt(True, "", answer.status, dict(answer.headers.items()), answer.body)
        return rail.reply_read(receipt, transfer=order, account=account, wire_id=wire_id)

    return one


def test_what_the_rail_writes_a_real_bank_reads(bank: SandboxBank, call: Callable[[str, Transfer], RailReply]) -> None:
    order = transfer(number())
    reply = call("send", order)
    assert reply.outcome == BankOutcome.BOOKED
    assert call("query", order) == reply
    assert call("query", transfer(number())).outcome == BankOutcome.NOT_FOUND
    (paid,) = bank.book()["payments"]
    assert (paid["payee_name"], paid["amount_minor"]) == ("康泰大药房", 4000)
    statement = read(bank.statement(1).body)
    assert statement.entries[0].end_to_end_id == order.message_id
    assert statement.closing_minor == bank.balance()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("ok_with_error_inside", "an error where a status belongs"),
        ("garbage", "not an answer to this message"),
        ("wrong_signature", "the signature does not fit"),
        ("wrong_amount", "about another amount"),
        ("unavailable", "HTTP status 503"),
    ],
)
def test_what_proves_nothing_is_unknown(
    bank: SandboxBank, call: Callable[[str, Transfer], RailReply], fault: str, reason: str
) -> None:
    bank.fault(fault)
    reply = call("send", transfer(number()))
    assert (reply.outcome, reply.reason) == (BankOutcome.UNKNOWN, reason)


def test_a_refusal_comes_with_the_banks_reason(bank: SandboxBank, call: Callable[[str, Transfer], RailReply]) -> None:
    reply = call("send", transfer(number(), payee_account="6217000000000404"))
    assert (reply.outcome, reply.reason) == (BankOutcome.REFUSED, "AC01")


def test_an_answer_to_another_message_proves_nothing(bank: SandboxBank) -> None:
    bank.reset()
    account = replace(OURS, base_url=bank.url)
    order = transfer(number())
    message = RAILS["sandbox"].send(order, account=account, wire_id="W-A", now=datetime.now(UTC))
    answer = bank.post("payments", message.body, message.headers)
    receipt = Receipt(True, "", answer.status, dict(answer.headers.items()), answer.body)
    read_as = {
        wire_id: RAILS["sandbox"].reply_read(receipt, transfer=order, account=account, wire_id=wire_id).outcome
        for wire_id in ("W-A", "W-B")
    }
    assert read_as == {"W-A": BankOutcome.BOOKED, "W-B": BankOutcome.UNKNOWN}
