"""The demo's products, drugs and people for direct pay: all invented but the names of the drugs. Pure data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

PEOPLE = 200
SURNAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡林郭何高罗"
GIVEN = ("秀英", "建国", "丽华", "志强", "桂兰", "海燕", "国栋", "美玲", "文博", "晓梅")
# Generic name, Chinese, brand, pack, price per pack in minor units, category, indications (ICD-10), cold chain.
DRUGS: tuple[tuple[str, str, str, str, str, int, str, tuple[str, ...], bool], ...] = (
    ("TRAST-440", "trastuzumab", "曲妥珠单抗", "Demotuzu", "440 mg x 1", 550000, "oncology", ("C50",), True),
    ("PERTU-420", "pertuzumab", "帕妥珠单抗", "Demopertu", "420 mg x 1", 495500, "oncology", ("C50",), True),
    (
        "PEMBR-100",
        "pembrolizumab",
        "帕博利珠单抗",
        "Demopembro",
        "100 mg x 1",
        1791800,
        "oncology",
        ("C34", "C43"),
        True,
    ),
    ("NIVOL-100", "nivolumab", "纳武利尤单抗", "Demonivo", "100 mg x 1", 926000, "oncology", ("C34", "C16"), True),
    ("BEVAC-100", "bevacizumab", "贝伐珠单抗", "Demobeva", "100 mg x 1", 150000, "oncology", ("C18", "C34"), True),
    ("RITUX-500", "rituximab", "利妥昔单抗", "Demoritu", "500 mg x 1", 758900, "oncology", ("C83", "C85"), True),
    ("OSIME-80", "osimertinib", "奥希替尼", "Demosime", "80 mg x 30", 558000, "oncology", ("C34",), False),
    ("ALECT-150", "alectinib", "阿来替尼", "Demoalec", "150 mg x 224", 1498000, "oncology", ("C34",), False),
    ("OLAPA-150", "olaparib", "奥拉帕利", "Demolapa", "150 mg x 56", 491200, "oncology", ("C56", "C61"), False),
    ("PALBO-125", "palbociclib", "哌柏西利", "Demopalbo", "125 mg x 21", 407800, "oncology", ("C50",), False),
    ("IBRUT-140", "ibrutinib", "伊布替尼", "Demoibru", "140 mg x 90", 1510000, "oncology", ("C91", "C83"), False),
    ("LENVA-4", "lenvatinib", "仑伐替尼", "Demolenva", "4 mg x 30", 324000, "oncology", ("C22", "C73"), False),
    ("SORAF-200", "sorafenib", "索拉非尼", "Demosora", "200 mg x 60", 570000, "oncology", ("C22", "C64"), False),
    ("LENAL-25", "lenalidomide", "来那度胺", "Demolena", "25 mg x 21", 866000, "oncology", ("C90",), False),
    ("ABIRA-250", "abiraterone", "阿比特龙", "Demoabira", "250 mg x 120", 385000, "oncology", ("C61",), False),
    ("ADALI-40", "adalimumab", "阿达木单抗", "Demoadali", "40 mg x 1", 129000, "immunology", ("M05", "M45"), True),
    ("SECUK-150", "secukinumab", "司库奇尤单抗", "Demosecu", "150 mg x 1", 87000, "immunology", ("L40", "M45"), True),
    ("NUSIN-12", "nusinersen", "诺西那生钠", "Demonusi", "12 mg x 1", 3300000, "rare", ("G12",), True),
    ("TAFAM-61", "tafamidis", "氯苯唑酸", "Demotafa", "61 mg x 30", 5900000, "rare", ("E85",), False),
    ("EMICI-60", "emicizumab", "艾美赛珠单抗", "Demoemi", "60 mg x 1", 792000, "rare", ("D66",), True),
)
CLAUSES = {
    "oncology": ("Clause 2.1: listed oncology drugs", "第2.1条：目录内肿瘤特药"),
    "immunology": ("Clause 2.2: listed biologics", "第2.2条：目录内生物制剂"),
    "rare": ("Clause 2.3: listed drugs for rare diseases", "第2.3条：目录内罕见病用药"),
}


@dataclass(frozen=True, slots=True)
class DemoProduct:
    """A product of the demo; `co_insurer` is a code and its share in basis points."""

    code: str
    insurer: str
    name: str
    name_zh: str
    mode: str
    delegated_limit_minor: int
    deductible_minor: int
    co_insurer: tuple[str, int] | None = None


PRODUCTS = (
    DemoProduct("HUIMIN-A", "INS-A", "City Cover", "惠民特药保", "DELEGATED", 1_000_000, 0),
    DemoProduct("CARE-B", "INS-B", "Care Plus", "康护特药险", "BEFORE_HANDOVER", 0, 20_000, ("INS-C", 3000)),
    DemoProduct("REFUND-C", "INS-C", "Refund Cover", "报销特药险", "REIMBURSE", 0, 50_000),
)
INSURERS = (
    ("INS-A", "Demo Life East", "演示人寿东区"),
    ("INS-B", "Demo Health West", "演示健康西区"),
    ("INS-C", "Demo Re South", "演示再保南区"),
)


# The insurer whose own system decides, and the persons whose policy numbers it knows: insurers/sandbox/README.md.
DOCKED = "INS-C"
KNOWN_NUMBERS = ("9101", "9102", "9103", "9104", "9105", "9106", "9107")
# Where the story's persons begin: nobody before them is free of claims.
FREE_FROM = 120


def terms_body(product: DemoProduct) -> dict[str, Any]:
    """Terms as registry.terms reads them; durations in days, money in fen."""
    return {
        "confirmation_mode": product.mode,
        "delegated_limit_minor": product.delegated_limit_minor,
        "drugs": [
            {"drug": code, "category": category, "cap_minor": 20_000_000 if category == "rare" else None,
             "indications": list(icd10), "clause": CLAUSES[category][0], "clause_zh": CLAUSES[category][1]}
            for code, _, _, _, _, _, category, icd10, _ in DRUGS
        ],
        "materials": [
            _material("ID_CARD", "Both sides.", "身份证正反面。"),
            _material("PRESCRIPTION", "By a specialist, with ICD-10.", "专科处方，含ICD-10编码。", both=True, days=30),
            _material("DIAGNOSIS_CERTIFICATE", "Issued by the treating hospital.", "由就诊医院出具。", days=365),
            _material("PATHOLOGY", "The full report.", "完整报告。", days=1095),
        ],
        "ratios": [
            {"pre_existing": False, "basic_settled": True, "basis_points": 8000},
            {"pre_existing": False, "basic_settled": False, "basis_points": 6000},
            {"pre_existing": True, "basic_settled": True, "basis_points": 4000},
            {"pre_existing": True, "basic_settled": False, "basis_points": 3000},
        ],
        "waiting_days": 30, "grace_days": 60, "diagnosis_window_years": 3, "days_of_supply_most": 31,
        "early_refill_days": 7, "deductible_minor": product.deductible_minor, "deductible_offsets": ["basic"],
        "deductible_order": "as_listed", "annual_cap_minor": 100_000_000,
        "category_caps_minor": {"rare": 60_000_000},
        "payers": ["basic", "other", "commercial", "charity", "patient"],
        "paper_above_minor": 5_000_000, "decide_within_days": 3, "decide_complex_within_days": 30,
        "pay_within_days": 10, "refusal_letter_within_days": 3, "materials_within_days": 30, "appeal_within_days": 60,
        "authorisation_cycles_most": 12, "authorisation_days": 365, "re_evaluation_cycles_most": 6,
        "running_on_delisting": "continue", "list_date": "service",
    }  # fmt: skip


def _material(kind: str, hint: str, hint_zh: str, *, both: bool = False, days: int | None = None) -> dict[str, Any]:
    needed_for = ["FIRST", "RENEWAL"] if both else ["FIRST"]
    return {"kind": kind, "needed_for": needed_for, "drugs": [], "maximum_age_days": days, "hint": hint,
            "hint_zh": hint_zh}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DemoPerson:
    number: int
    name: str
    id_no: str
    phone: str
    born_on: date


def policy_no_of(person: DemoPerson, product: DemoProduct) -> str:
    """Some policies of the docked insurer end in a number with a known outcome."""
    at = (person.number - FREE_FROM) // len(PRODUCTS)
    known = product.insurer == DOCKED and 0 <= at < len(KNOWN_NUMBERS)
    return f"{product.insurer}-2026-{KNOWN_NUMBERS[at] if known else f'{person.number:04d}'}"


def people() -> Iterator[DemoPerson]:
    """Invented persons, the same each time. Their identity numbers carry a region code that nobody lives in: 990000."""
    for number in range(PEOPLE):
        name = f"{SURNAMES[number % len(SURNAMES)]}{GIVEN[number // len(SURNAMES) % len(GIVEN)]}"
        born_on = date(1938 + number % 60, number % 12 + 1, number % 28 + 1)
        yield DemoPerson(
            number, f"{name}(演示)", f"990000{born_on:%Y%m%d}{number:03d}X", f"1990000{number:04d}", born_on
        )
