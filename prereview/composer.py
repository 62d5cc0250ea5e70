"""The one message that asks a patient for materials, in both languages, as he will read it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

# Kind of document -> (English, Chinese), as a patient calls it.
PAPERS: Mapping[str, tuple[str, str]] = {
    "ID_CARD": ("Identity card, both sides", "身份证正反面"),
    "POLICY": ("Policy or electronic policy", "保单或电子保单"),
    "PRESCRIPTION": ("Specialist prescription", "专科医生处方"),
    "DIAGNOSIS_CERTIFICATE": ("Diagnosis certificate", "诊断证明"),
    "PATHOLOGY": ("Pathology report", "病理报告"),
    "GENE_TEST": ("Gene test report", "基因检测报告"),
    "TREATMENT_RECORD": ("Earlier treatment record", "既往治疗记录"),
    "INVOICE": ("Invoice", "发票"),
    "BASIC_INSURANCE_SLIP": ("Basic insurance settlement slip", "基本医保结算单"),
    "OTHER": ("Other paper", "其他材料"),
}
# Why it is asked for: code -> (English, Chinese).
WHY: Mapping[str, tuple[str, str]] = {
    "missing": ("it was not among your papers", "提交的材料中没有此项"),
    "unreadable": ("the picture cannot be read", "图片无法辨认"),
    "too_old": ("it is older than the terms allow", "超过条款规定的有效期"),
    "incomplete": ("a page or a side is missing", "缺页或缺少一面"),
    "unsigned": ("the signature or the stamp is missing", "缺少签字或盖章"),
    "differs": ("it does not fit the other papers", "与其他材料不一致"),
}


def items_of(chosen: Mapping[str, str]) -> list[dict[str, str]]:
    """{kind: code of WHY} as the items of a request, in the order of PAPERS. Raises LookupError."""
    unknown = set(chosen) - set(PAPERS)
    if unknown:
        raise LookupError(", ".join(sorted(unknown)))
    return [
        {"kind": kind, "reason": WHY[chosen[kind]][0], "reason_zh": WHY[chosen[kind]][1]}
        for kind in PAPERS
        if kind in chosen
    ]


def message_of(items: Sequence[Mapping[str, str]], *, claim_no: str, answer_by: date) -> tuple[str, str]:
    """(English, Chinese): all that is needed, why, until when, and what happens meanwhile."""
    english = [f"- {PAPERS[item['kind']][0]}: {item['reason']}" for item in items]
    chinese = [f"- {PAPERS[item['kind']][1]}：{item['reason_zh']}" for item in items]
    return (
        "\n".join(
            [
                f"For your claim {claim_no} we still need:",
                *english,
                f"Please upload it by {answer_by.isoformat()}. This is all we need; until then our time does not run "
                "and nothing is lost. If you cannot get a paper, write to us: customer service helps.",
            ]
        ),
        "\n".join(
            [
                f"您的理赔申请 {claim_no} 还需补充以下材料：",
                *chinese,
                f"请于 {answer_by.isoformat()} 前上传。所需材料已全部列出；在此期间审核时限暂停，申请不受影响。"
                "如无法取得某项材料，请联系客服协助。",
            ]
        ),
    )
