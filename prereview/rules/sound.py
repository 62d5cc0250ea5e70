"""Facts with which every rule passes: what the cases of a pack change."""

from __future__ import annotations

from datetime import date

from prereview.rules.facts import Facts, Needed, Paper

SOUND = Facts(
    kind="FIRST",
    drug="TRAST-440",
    icd10="C50.9",
    diagnosed_on=date(2026, 6, 1),
    service_on=date(2026, 11, 25),
    quantity=1,
    days_of_supply=21,
    lines_payable_minor=400_000,
    payable_minor=400_000,
    terms_number=1,
    on_policy=True,
    in_force=True,
    in_grace=False,
    waiting_until=None,
    waiting_days=30,
    covered_since=date(2026, 1, 1),
    pre_existing=False,
    listed=True,
    indicated=True,
    clause="",
    clause_zh="",
    diagnosis_window_years=3,
    days_of_supply_most=31,
    cap_left_minor=10_000_000,
    others_hold_minor=0,
    needed=(Needed("PRESCRIPTION", 30), Needed("DIAGNOSIS_CERTIFICATE", 365)),
    papers=(Paper("PRESCRIPTION", date(2026, 11, 20)), Paper("DIAGNOSIS_CERTIFICATE", date(2026, 6, 1))),
    prescribed=True,
    prescription_fault="",
    prescribed_icd10="C50.9",
    prescribed_quantity=1,
    specialist=True,
    prescription_repeats=0,
    supplied_until=None,
    early_refill_days=5,
    charity_cycles=False,
    authorised=False,
    authorisation_fault="",
    re_evaluation_due=False,
    alike=(),
)
