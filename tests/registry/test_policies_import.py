"""Files of policies: taken whole or not at all, each bad row told, nothing of a hostile file unpacked or computed."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import pytest
import xlsxwriter
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Organisation
from core.row_security import seen_by
from registry.models import Person, Policy, PolicyImport, PolicyMember
from registry.policy_files import COLUMNS, FILE_BYTES, ROWS, UNPACKED_BYTES, FileRefused
from registry.selectors.persons import person_facts
from registry.services.merges import person_merge_approve, person_merge_propose
from registry.services.policies import FileTaken, policies_import
from tests.exchange.meetings import at_once
from tests.registry.house import NOW, Shelf, id_no, person_of, product_of
from tests.roles import as_role, refused

HEADER = ["policy_no", "product", "starts_on", "ends_on", "sum_insured", "name", "id_no", "born_on"]
CHINESE = ["保单号", "产品代码", "保险起期", "保险止期", "保额", "姓名", "证件号码", "出生日期"]
BORN = date(1980, 5, 17)
ANNA, BERT = id_no(BORN, 501), id_no(BORN, 502)
LINE = ["P-1", "city-care", "2026-01-01", "2026-12-31", "2000000.00", "安娜", ANNA, "1980-05-17"]
SECOND = ["P-1", "city-care", "2026-01-01", "2026-12-31", "2000000.00", "白特", BERT, "1980-05-17"]


def csv_of(*lines: Sequence[Any], header: Sequence[str] = HEADER, encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *lines])
    return text.getvalue().encode(encoding)


def xlsx_of(*lines: Sequence[Any], header: Sequence[str] = HEADER, sheets: int = 1) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"default_date_format": "yyyy-mm-dd"}) as book:
        for _ in range(sheets):
            sheet = book.add_worksheet()
            for number, line in enumerate([header, *lines]):
                for column, value in enumerate(line):
                    sheet.write(number, column, value)
    return content.getvalue()


def changed(**values: Any) -> list[Any]:
    """LINE with other cells, by column name."""
    return [values.get(name, cell) for name, cell in zip(HEADER, LINE, strict=True)]


def imported(
    shelf: Shelf,
    content: bytes,
    *,
    file_name: str = "",
    dry_run: bool = False,
    totals: dict[str, int] | None = None,
    organisation: Organisation | None = None,
) -> PolicyImport:
    insurer = organisation or shelf.insurer
    with as_role("app"), seen_by([insurer.pk]):
        return policies_import(
            organisation=insurer,
            file_name=file_name or ("list.xlsx" if content[:2] == b"PK" else "list.csv"),
            content=content,
            dry_run=dry_run,
            expected_totals=totals,
            by="clerk",
            now=NOW,
        )


def faults(result: PolicyImport) -> list[tuple[int, str, str]]:
    return [(one["row"], one["column"], one["code"]) for one in result.errors]


def stored() -> tuple[int, int]:
    """Policies and members beside those of the shelf."""
    return Policy.objects.count() - 1, PolicyMember.objects.count() - 1


# Good files --------------------------------------------------------------------------------------------

MOMENT = datetime(2026, 1, 1)  # noqa: DTZ001 - a cell of a spreadsheet has no time zone
WORKBOOK = ["P-1", "city-care", MOMENT, date(2026, 12, 31), 2000000, "安娜", ANNA, date(1980, 5, 17)]


@pytest.mark.parametrize(
    "content",
    [
        csv_of(LINE, SECOND),
        csv_of(LINE, SECOND, header=CHINESE),
        csv_of(LINE, SECOND, encoding="utf-8-sig"),
        csv_of(LINE, SECOND, header=CHINESE, encoding="gb18030"),
        csv_of(LINE, [], SECOND),
        xlsx_of(LINE, SECOND),
        xlsx_of(WORKBOOK, SECOND, header=CHINESE),
    ],
    ids=["csv", "Chinese header", "byte order mark", "GB 18030", "empty row", "xlsx", "xlsx with dates and numbers"],
)
def test_a_good_file_is_taken_whatever_it_is_written_in(shelf: Shelf, content: bytes) -> None:
    totals = {"rows": 2, "policies": 1, "sum_insured_minor": 200_000_000}
    result = imported(shelf, content, totals=totals)
    assert faults(result) == []
    assert (result.taken, stored(), result.totals["counted"]) == (2, (1, 2), totals)
    policy = Policy.objects.get(policy_no="P-1")
    assert (policy.starts_on, policy.ends_on) == (date(2026, 1, 1), date(2026, 12, 31))
    assert (policy.sum_insured_minor, policy.organisation_id) == (200_000_000, shelf.insurer.pk)
    names = {person_facts(person=member.person).name for member in policy.members.select_related("person")}
    assert names == {"安娜", "白特"}


def test_every_column_is_read(shelf: Shelf) -> None:
    more = {
        "first_started_on": "2024-01-01",
        "currency": "cny",
        "state": "失效",
        "id_type": "03",
        "phone": "+86 13900001111",
        "relation": "子女",
        "pre_existing": "是",
        "basic_insurance": "no",
        "member_starts_on": "2026/3/1",
        "member_ends_on": "2026/9/30",
    }
    line = [*changed(id_no="E1234"), *more.values()]
    assert faults(imported(shelf, csv_of(line, header=[*HEADER, *more]))) == []
    policy = Policy.objects.get(policy_no="P-1")
    member = policy.members.get()
    assert (policy.first_started_on, policy.state) == (date(2024, 1, 1), "LAPSED")
    assert (member.relation, member.pre_existing, member.basic_insurance) == ("CHILD", True, False)
    assert (member.starts_on, member.ends_on) == (date(2026, 3, 1), date(2026, 9, 30))
    assert person_facts(person=member.person).phone == "13900001111"


def test_a_dry_run_does_everything_and_keeps_nothing(shelf: Shelf) -> None:
    persons = Person.objects.count()
    result = imported(shelf, csv_of(LINE, SECOND), dry_run=True)
    assert (result.taken, result.dry_run, faults(result)) == (2, True, [])
    assert (stored(), Person.objects.count()) == ((0, 0), persons)
    assert imported(shelf, csv_of(LINE, SECOND)).taken == 2


def test_a_file_is_taken_once(shelf: Shelf) -> None:
    imported(shelf, csv_of(LINE))
    with pytest.raises(FileTaken):
        imported(shelf, csv_of(LINE), file_name="renamed.csv")
    assert stored() == (1, 1)


def test_a_later_file_brings_policies_to_what_it_says(shelf: Shelf) -> None:
    imported(shelf, csv_of(LINE))
    assert imported(shelf, csv_of(changed(ends_on="2027-12-31"), [*SECOND[:3], "2027-12-31", *SECOND[4:]])).taken == 2
    policy = Policy.objects.get(policy_no="P-1")
    assert (policy.ends_on, policy.version, policy.members.count()) == (date(2027, 12, 31), 1, 2)


def test_the_record_of_an_import_is_fixed(shelf: Shelf) -> None:
    imported(shelf, csv_of(LINE))
    with refused("append-only"):
        PolicyImport.objects.update(taken=0)


def test_one_file_sent_twice_at_once_is_taken_once(committed_shelf: Shelf) -> None:
    shelf = committed_shelf

    def act() -> Any:
        return imported(shelf, csv_of(LINE)).taken

    results = at_once(act, act)
    assert sorted(1 if one == 1 else type(one).__name__ == "FileTaken" and 0 for one in results) == [0, 1]
    assert stored() == (1, 1)


# Bad rows ----------------------------------------------------------------------------------------------

SWAPPED = ANNA[:5] + ("1" if ANNA[5] != "1" else "2") + ANNA[6:]


@pytest.mark.parametrize(
    ("values", "column", "code"),
    [
        ({"policy_no": ""}, "policy_no", "missing"),
        ({"policy_no": "P" * 61}, "policy_no", "policy_invalid"),
        ({"policy_no": "=1+1"}, "policy_no", "formula"),
        ({"name": "@SUM(A1)"}, "name", "formula"),
        ({"name": "+cmd|' /C calc'!A0"}, "name", "formula"),
        ({"name": "\tx"}, "name", "formula"),
        ({"name": "x" * 201}, "name", "text"),
        ({"product": "nobodys-care"}, "product", "policy_invalid"),
        ({"starts_on": "01.02.2026"}, "starts_on", "date"),
        ({"starts_on": "2026-02-30"}, "starts_on", "date"),
        ({"starts_on": "2027-01-01"}, "ends_on", "policy_invalid"),
        ({"sum_insured": "0"}, "sum_insured", "amount"),
        ({"sum_insured": "-5"}, "sum_insured", "amount"),
        ({"sum_insured": "2,000,000"}, "sum_insured", "amount"),
        ({"sum_insured": "1e9"}, "sum_insured", "amount"),
        ({"sum_insured": "0.001"}, "sum_insured", "amount"),
        ({"sum_insured": "lots"}, "sum_insured", "amount"),
        ({"sum_insured": "999999999999999"}, "sum_insured", "amount"),
        ({"id_no": "110101198005171230"[:17]}, "id_no", "id_no"),
        ({"id_no": SWAPPED}, "id_no", "id_no"),
        ({"born_on": "1980-05-18"}, "born_on", "born_on"),
    ],
)
def test_a_bad_cell_is_told_with_row_and_column_and_nothing_is_taken(
    shelf: Shelf, values: dict[str, str], column: str, code: str
) -> None:
    persons = Person.objects.count()
    result = imported(shelf, csv_of(["P-9", *SECOND[1:]], changed(**values)))
    assert faults(result) == [(3, column, code)]
    assert (result.taken, stored(), Person.objects.count()) == (0, (0, 0), persons)
    told = str(result.errors)
    assert ANNA not in told
    assert "安娜" not in told


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("id_no", 110101198005170000, "not_text"),
        ("policy_no", 100200300, "not_text"),
        ("policy_no", date(2026, 1, 1), "not_text"),
        ("sum_insured", True, "amount"),
        ("sum_insured", date(2026, 1, 1), "amount"),
        ("sum_insured", 0.001, "amount"),
        ("starts_on", 46023, "date"),
        ("starts_on", datetime(2026, 1, 1, 8), "date"),  # noqa: DTZ001 - see MOMENT
        ("name", "=HYPERLINK(A1)", "formula"),
        ("sum_insured", "=1000*2000", "formula"),
    ],
)
def test_a_cell_of_the_wrong_kind_is_told(shelf: Shelf, column: str, value: Any, code: str) -> None:
    result = imported(shelf, xlsx_of(changed(**{column: value})))
    assert (faults(result), stored()) == ([(2, column, code)], (0, 0))


def test_all_bad_rows_are_told_at_once(shelf: Shelf) -> None:
    lines = [changed(starts_on="x", sum_insured="y"), LINE, changed(policy_no="P-2", product="nobodys-care")]
    assert faults(imported(shelf, csv_of(*lines))) == [(2, "starts_on", "date"), (2, "sum_insured", "amount")]
    assert faults(imported(shelf, csv_of(*lines[1:]))) == [(3, "product", "policy_invalid")]


def test_rows_of_one_policy_agree_and_name_each_person_once(shelf: Shelf) -> None:
    other_sum = [*SECOND[:4], "1000000.00", *SECOND[5:]]
    assert faults(imported(shelf, csv_of(LINE, other_sum))) == [(3, "sum_insured_minor", "policy_differs")]
    assert faults(imported(shelf, csv_of(LINE, SECOND, LINE))) == [(4, "id_no", "duplicate")]
    assert stored() == (0, 0)


def test_a_member_leaves_after_he_joined(shelf: Shelf) -> None:
    header = [*HEADER, "member_starts_on", "member_ends_on"]
    joined = [[*LINE, "2026-03-01", "2026-02-28"], [*SECOND, "", "2025-12-31"]]
    result = imported(shelf, csv_of(*joined, header=header))
    assert faults(result) == [(row, "member_ends_on", "policy_invalid") for row in (2, 3)]


def test_two_identities_of_one_human_being_are_one_member(shelf: Shelf) -> None:
    kept, merged = person_of(id_no=ANNA), person_of(id_type="03", id_no="E777")
    merge = person_merge_propose(kept_id=kept.pk, merged_id=merged.pk, evidence="x", by="anna", now=NOW)
    person_merge_approve(merge_id=merge.pk, by="bert", now=NOW)
    passport = [*SECOND[:6], "E777", SECOND[7], "03"]
    header = [*HEADER, "id_type"]
    assert imported(shelf, csv_of(passport, header=header)).taken == 1
    assert PolicyMember.objects.get(policy__policy_no="P-1").person_id == kept.pk
    both = csv_of([*LINE, "01"], passport, header=header)
    assert faults(imported(shelf, both)) == [(3, "id_no", "duplicate")]


def test_a_long_file_takes_a_few_statements_for_each_five_hundred_rows(shelf: Shelf) -> None:
    days = [date(1950 + number // 1000, 1, 1) for number in range(1_200)]
    lines = [[f"P-{number}", *LINE[1:6], id_no(day, number % 1000), day.isoformat()] for number, day in enumerate(days)]
    with CaptureQueriesContext(connection) as queries:
        assert imported(shelf, csv_of(*lines)).taken == 1_200
    assert len(queries) < 70
    assert stored() == (1_200, 1_200)


@pytest.mark.parametrize(
    ("totals", "column"),
    [
        ({"rows": 3}, "rows"),
        ({"rows": 2, "policies": 2}, "policies"),
        ({"sum_insured_minor": 400_000_000}, "sum_insured_minor"),
    ],
)
def test_control_totals_that_differ_stop_the_file(shelf: Shelf, totals: dict[str, int], column: str) -> None:
    result = imported(shelf, csv_of(LINE, SECOND), totals=totals)
    assert (faults(result), stored()) == ([(0, column, "totals_differ")], (0, 0))
    assert result.totals["told"] == totals


def test_only_so_many_errors_are_kept(shelf: Shelf) -> None:
    result = imported(shelf, csv_of(*[changed(policy_no=f"P-{number}", starts_on="x") for number in range(300)]))
    assert len(result.errors) == 200


def test_another_insurers_product_and_policies_are_out_of_reach(shelf: Shelf) -> None:
    result = imported(shelf, csv_of(LINE), organisation=shelf.stranger)
    assert faults(result) == [(2, "product", "policy_invalid")]
    own = product_of(shelf.stranger, "their-care")
    theirs = changed(policy_no=shelf.policy.policy_no, product=own.pk)
    assert imported(shelf, csv_of(theirs), organisation=shelf.stranger).taken == 1
    assert Policy.objects.get(pk=shelf.policy.pk).product_id == shelf.product.pk


# Files that are none -----------------------------------------------------------------------------------


def zipped(**parts: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(name.replace("__", "/"), body)
    return content.getvalue()


def repacked(content: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """The workbook with one part changed."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as after:
        for one in before.infolist():
            body = before.read(one)
            after.writestr(one.filename, change(body) if one.filename == part else body)
    return result.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
GOOD = xlsx_of(LINE)
FAR = repacked(GOOD, SHEET, lambda body: body.replace(b"</sheetData>", b'<row r="1048576"/></sheetData>'))
WIDE = repacked(
    GOOD, SHEET, lambda body: body.replace(b"</sheetData>", b'<row r="9"><c r="XFD9"><v>1</v></c></row></sheetData>')
)
ENTITIES = repacked(GOOD, SHEET, lambda body: body.replace(b"<worksheet", b'<!DOCTYPE x [<!ENTITY a "b">]><worksheet'))
HIDDEN_FORMULA = repacked(GOOD, SHEET, lambda body: body.replace(b"</sheetData>", b"<f>1+1</f></sheetData>"))


@pytest.mark.parametrize(
    ("content", "file_name", "words"),
    [
        (b"", "list.csv", "no row below"),
        (csv_of(), "list.csv", "no row below"),
        (b"\xff\xfe\x00\x01", "list.csv", "not text"),
        (b"\x80\xff\x81", "list.csv", "neither UTF-8 nor"),
        (b'"a', "list.csv", "not CSV"),
        (b"%PDF-1.7 ...", "list.pdf", "name says pdf"),
        (b"%PDF-1.7 ...", "list.xlsx", "name says xlsx"),
        (GOOD, "list.csv", "name says csv"),
        (b"\xd0\xcf\x11\xe0old", "list.xls", "name says xls"),
        (csv_of(LINE), "list", "name says list"),
        (b"PK\x03\x04garbage", "list.xlsx", "not a sound XLSX"),
        (zipped(**{"a.txt": b"hello"}), "list.xlsx", "not a sound XLSX"),
        (GOOD[: len(GOOD) // 2], "list.xlsx", "not a sound XLSX"),
        (xlsx_of(LINE, sheets=2), "list.xlsx", "2 sheets"),
        (zipped(xl__vbaProject=b"x"), "list.xlsx", "macros"),
        (FAR, "list.xlsx", "rows or"),
        (WIDE, "list.xlsx", "rows or"),
        (ENTITIES, "list.xlsx", "entities"),
        (HIDDEN_FORMULA, "list.xlsx", "formulas"),
        (b"x" * (FILE_BYTES + 1), "list.csv", "5 MB"),
        (csv_of(*[LINE] * (ROWS + 1)), "list.csv", "5000 rows"),
        (csv_of(["x"] * (COLUMNS + 1)), "list.csv", "columns"),
        (csv_of(LINE, header=[*HEADER[:7], "surprise"]), "list.csv", "1 unknown"),
        (csv_of(LINE, header=[*HEADER[:7], "name"]), "list.csv", "missing born_on"),
        (csv_of(LINE, header=["保单号", *HEADER[1:7], "policy_no"]), "list.csv", "missing born_on"),
    ],
)
def test_what_is_no_table_of_policies_is_refused_with_the_reason(
    shelf: Shelf, content: bytes, file_name: str, words: str
) -> None:
    with pytest.raises(FileRefused, match=words):
        imported(shelf, content, file_name=file_name)
    assert (stored(), PolicyImport.objects.count()) == ((0, 0), 0)


def test_a_zip_bomb_is_not_unpacked(shelf: Shelf) -> None:
    bomb = zipped(xl__worksheets__sheet1=b"0" * (UNPACKED_BYTES + 1))
    assert len(bomb) < 100_000
    with pytest.raises(FileRefused, match="unpacked"):
        imported(shelf, bomb, file_name="list.xlsx")
    many = zipped(**{f"part{number}": b"x" for number in range(201)})
    with pytest.raises(FileRefused, match="parts"):
        imported(shelf, many, file_name="list.xlsx")


def test_a_zip_that_lies_about_its_size_is_refused(shelf: Shelf) -> None:
    honest = repacked(GOOD, SHEET, lambda body: body + b" " * 100_000)
    with zipfile.ZipFile(io.BytesIO(honest)) as archive:
        size = archive.getinfo(SHEET).file_size
    lying = honest.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert lying != honest
    with pytest.raises(FileRefused, match="not a sound XLSX"):
        imported(shelf, lying, file_name="list.xlsx")
