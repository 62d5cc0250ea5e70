"""What a rule found, in words: code -> (English, Chinese), templates over the evidence. Stored by code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.money import Money

REASONS: dict[str, tuple[str, str]] = {
    "on_policy": ("The person is on the policy.", "该人在保单被保险人名单内。"),
    "not_on_policy": ("The person is not on this policy.", "该人不在本保单被保险人名单内。"),
    "in_force": ("In force on {service_on}.", "{service_on} 保单有效。"),
    "in_grace": (
        "The cover has ended; {service_on} lies in the days of grace: look whether it was renewed.",
        "保障已到期，{service_on} 处于续保宽限期：请核实是否已续保。",
    ),
    "not_in_force": ("Not in force on {service_on}.", "{service_on} 保单无效。"),
    "waiting_over": ("No waiting day is left.", "等待期已过。"),
    "waiting": (
        "Waiting runs through {waiting_until}; the service day is {service_on}.",
        "等待期至 {waiting_until} 止，用药日为 {service_on}。",
    ),
    "listed": ("{drug} is on the list.", "{drug} 在药品目录内。"),
    "not_listed": (
        "{drug} is not on the list of terms {terms_number}.",
        "{drug} 不在第 {terms_number} 版条款的药品目录内。",
    ),
    "indicated": ("{icd10} is an indication on the list.", "{icd10} 属于目录内适应症。"),
    "not_indicated": ("{icd10} is no indication on the list for {drug}.", "{icd10} 不属于 {drug} 的目录内适应症。"),
    "diagnosed_in_window": (
        "Diagnosed on {diagnosed_on}, within {years} years.",
        "{diagnosed_on} 确诊，在 {years} 年窗口期内。",
    ),
    "diagnosis_missing": ("No day of diagnosis is given.", "未填写确诊日期。"),
    "diagnosed_later": (
        "Diagnosed on {diagnosed_on}, after the service day {service_on}.",
        "确诊日 {diagnosed_on} 晚于用药日 {service_on}。",
    ),
    "diagnosed_too_long_ago": (
        "Diagnosed on {diagnosed_on}: longer ago than {years} years.",
        "{diagnosed_on} 确诊，已超过 {years} 年窗口期。",
    ),
    "known_before_cover": (
        "Diagnosed on {diagnosed_on}, before the cover and its waiting days; the policy knows of no earlier illness.",
        "{diagnosed_on} 确诊，早于保障生效及等待期，但保单未登记既往症。",
    ),
    "diagnosed_under_cover": (
        "Diagnosed under cover, or known to the policy as an earlier illness.",
        "在保障期内确诊，或已登记为既往症。",
    ),
    "materials_complete": ("All {count} materials of the checklist are there.", "清单所列 {count} 项材料齐全。"),
    "materials_missing": ("Missing: {missing}.", "缺少：{missing}。"),
    "materials_fresh": ("No material is older than allowed.", "各项材料均在有效期内。"),
    "materials_old": ("Too old, or without a date: {old}.", "已超过有效期或无开具日期：{old}。"),
    "prescription_valid": ("The prescription is valid on {service_on}.", "处方在 {service_on} 有效。"),
    "prescription_missing": ("No prescription belongs to the claim.", "该申请没有处方。"),
    "prescription_other_drug": ("The prescription is for another drug.", "处方药品与申请药品不同。"),
    "prescription_not_yet_issued": ("The prescription was issued after the service day.", "处方开具日晚于用药日。"),
    "prescription_expired": ("The prescription has expired.", "处方已过期。"),
    "prescription_filled_up": ("The prescription has been filled as often as it may be.", "处方已达到可配药次数。"),
    "prescription_too_soon": (
        "The prescription asks for a longer interval between fillings.",
        "距上次配药未达到处方规定的最短间隔。",
    ),
    "prescription_other_illness": (
        "The prescription names {prescribed_icd10}, the claim {icd10}.",
        "处方诊断为 {prescribed_icd10}，申请诊断为 {icd10}。",
    ),
    "prescription_less": (
        "{prescribed_quantity} prescribed, {quantity} claimed.",
        "处方数量 {prescribed_quantity}，申请数量 {quantity}。",
    ),
    "prescription_no_specialist": ("The prescription is not by a specialist.", "处方非专科医生开具。"),
    "supply_within": (
        "{days_of_supply} days of supply, {most} allowed.",
        "用药 {days_of_supply} 天，不超过 {most} 天。",
    ),
    "supply_beyond": (
        "{days_of_supply} days of supply, only {most} allowed.",
        "用药 {days_of_supply} 天，超过限定的 {most} 天。",
    ),
    "refill_due": ("Nothing is left of the last supply beyond the allowed days.", "上次配药的余量在允许范围内。"),
    "first_supply": ("Nothing was supplied before.", "此前未配药。"),
    "refill_early": (
        "Supplied through {supplied_until} (charity boxes included); a refill may be asked for from {refill_from} on.",
        "上次配药（含慈善赠药）可用至 {supplied_until}，{refill_from} 起方可申请续药。",
    ),
    "authorised": ("The running authorisation allows this cycle.", "用药授权允许本周期。"),
    "no_authorisation_needed": ("A first claim: the authorisation follows from it.", "首次申请，通过后建立用药授权。"),
    "authorisation_missing": ("A renewal without a running authorisation.", "续药申请没有有效的用药授权。"),
    "authorisation_suspended": ("The authorisation is suspended.", "用药授权已暂停。"),
    "authorisation_ended": ("The authorisation has ended.", "用药授权已终止。"),
    "authorisation_not_begun": ("The authorisation has not begun.", "用药授权尚未生效。"),
    "authorisation_expired": ("The authorisation has expired.", "用药授权已过期。"),
    "authorisation_used_up": ("All cycles of the authorisation are used.", "用药授权周期已用完。"),
    "authorisation_dose_changed": (
        "The quantity differs from the authorisation by more than it allows.",
        "用量变化超出用药授权允许范围。",
    ),
    "re_evaluation_due": ("A re-evaluation is due before the next cycle.", "须先完成疗效再评估。"),
    "no_duplicate": ("No other claim has the same paper.", "未发现其他申请使用同一凭证。"),
    "duplicate_prescription": ("The same prescription stands in {claims}.", "同一处方已用于 {claims}。"),
    "duplicate_invoice": ("The same invoice stands in {claims}.", "同一发票已用于 {claims}。"),
    "duplicate_file": ("The very same file was handed in with {claims}.", "同一文件已在 {claims} 中提交。"),
    "cap_enough": ("{payable} is payable, {left} are left.", "应付 {payable}，剩余额度 {left}。"),
    "cap_cuts": (
        "Caps leave {left} of {wanted}; other claims in flight hold {others}.",
        "应付 {wanted}，剩余额度仅 {left}；其他在途申请占用 {others}。",
    ),
    "nothing_held": ("No part of the benefit is held for this claim.", "未为本申请占用保险额度。"),
    "amount_usual": ("Below the amount from which a person looks.", "低于人工复核金额。"),
    "amount_large": (
        "{payable} is payable: from {limit} on a person looks.",
        "应付 {payable}，达到人工复核金额 {limit}。",
    ),
    "rule_failed": ("The rule could not be worked out ({fault}).", "规则无法执行（{fault}）。"),
}
# Evidence that is an amount in minor units is shown in major ones.
AMOUNTS = frozenset({"payable", "left", "wanted", "others", "limit"})


def found_in_words(
    evidence: Mapping[str, Any], *, chinese: bool, currency: str, word: Callable[[str], str] = str
) -> str:
    """The sentence for a result's evidence; a code of an earlier version of the rules is shown as it is.

    `word` gives the reader's word for a code in a list, such as a kind of document.
    """
    code = str(evidence.get("code", ""))
    if code not in REASONS:
        return code
    values = {name: _shown(name, value, currency, word) for name, value in evidence.items()}
    try:
        return REASONS[code][chinese].format(**values)
    except KeyError:
        return code


def _shown(name: str, value: Any, currency: str, word: Callable[[str], str]) -> Any:
    if name in AMOUNTS and isinstance(value, int):
        return str(Money(value, currency))
    return ", ".join(word(str(one)) for one in value) if isinstance(value, list) else value
