"""Every sentence that we tell people, in both languages: one for the inbox, one for what leaves the platform.

What leaves (`outside`) carries no drug, illness, insurer or amount, not even in a value: anybody may look at a phone.
It may name only what stands in OUTSIDE_NAMES. A test reads every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from notices.states import Category

# `link` comes with its punctuation: `: https://...`, or a full stop where the patients' site has no address.
OUTSIDE_NAMES: Final = frozenset({"link", "code"})
INSIDE_NAMES: Final = frozenset({"claim_no", "answer_by", "until"})


@dataclass(frozen=True, slots=True)
class Wording:
    """Templates over the values named in INSIDE_NAMES and, for `outside`, in OUTSIDE_NAMES."""

    category: Category
    title: str
    title_zh: str
    text: str
    text_zh: str
    outside: str
    outside_zh: str


NEWS: Final = ("There is news for you. Please sign in{link}", "您有一条新消息，请登录查看{link}")
TURN: Final = ("Something waits for you. Please sign in{link}", "有一项事务等待您处理，请登录查看{link}")
DECIDED: Final = ("A decision is ready for you to read. Please sign in{link}", "有一项结果可供查看，请登录{link}")
ACCESS: Final = (
    "Who may act for you has changed. If you did not do this, please sign in{link}",
    "您的授权人员发生变化。如非本人操作，请登录查看{link}",
)


def _wording(category: Category, title: tuple[str, str], text: tuple[str, str], outside: tuple[str, str]) -> Wording:
    return Wording(category, *title, *text, *outside)


WORDINGS: Final[dict[str, Wording]] = {
    "claim.submitted": _wording(
        Category.PROGRESS,
        ("Application received", "申请已收到"),
        (
            "Application {claim_no} is with the reviewers. You will hear from us here.",
            "申请 {claim_no} 已进入审核，进展将在此通知您。",
        ),
        NEWS,
    ),
    "claim.withdrawn": _wording(
        Category.PROGRESS,
        ("Application withdrawn", "申请已撤回"),
        (
            "Application {claim_no} was withdrawn. Nothing more happens on it; you may apply anew.",
            "申请 {claim_no} 已撤回，不再处理；您可重新申请。",
        ),
        NEWS,
    ),
    "claim.reopened": _wording(
        Category.PROGRESS,
        ("Application opened again", "申请已重新受理"),
        ("Application {claim_no} is looked at anew.", "申请 {claim_no} 正在重新审核。"),
        NEWS,
    ),
    "claim.closed": _wording(
        Category.PROGRESS,
        ("Application closed", "申请已结案"),
        ("Application {claim_no} is closed: nothing is open any more.", "申请 {claim_no} 已结案，没有待办事项。"),
        NEWS,
    ),
    "materials.requested": _wording(
        Category.ACTION,
        ("Materials are needed", "需要补充材料"),
        (
            "Application {claim_no} needs more from you by {answer_by}. Open it to see what and why.",
            "申请 {claim_no} 需要您在 {answer_by} 前补充材料，请打开查看所需内容及原因。",
        ),
        TURN,
    ),
    "materials.answered": _wording(
        Category.PROGRESS,
        ("Materials received", "材料已收到"),
        (
            "Your materials for application {claim_no} are with the reviewers.",
            "申请 {claim_no} 的补充材料已转交审核。",
        ),
        NEWS,
    ),
    "materials.overdue": _wording(
        Category.ACTION,
        ("The time to hand in materials is over", "补充材料期限已过"),
        (
            "Application {claim_no} goes on with what is there. You may still upload; a person decides.",
            "申请 {claim_no} 将按现有材料由审核人员继续处理，您仍可补充上传。",
        ),
        NEWS,
    ),
    "prereview.passed": _wording(
        Category.PROGRESS,
        ("First review passed", "已通过预审"),
        (
            "Application {claim_no} passed the first review and goes on to the insurer.",
            "申请 {claim_no} 已通过预审，转交保险公司确认。",
        ),
        NEWS,
    ),
    "prereview.declined": _wording(
        Category.DECISION,
        ("Application declined", "申请未通过"),
        (
            "Application {claim_no} was declined. Open it for the clause, the reasons and how to appeal.",
            "申请 {claim_no} 未通过审核，请打开查看条款、理由及申诉方式。",
        ),
        DECIDED,
    ),
    "confirmation.confirmed": _wording(
        Category.DECISION,
        ("Application confirmed", "申请已确认"),
        ("Application {claim_no} is confirmed. Open it for the details.", "申请 {claim_no} 已确认，请打开查看详情。"),
        DECIDED,
    ),
    "confirmation.partly_confirmed": _wording(
        Category.DECISION,
        ("Application confirmed in part", "申请部分确认"),
        (
            "Application {claim_no} is confirmed in part. Open it for the clause, the reasons and how to appeal.",
            "申请 {claim_no} 已部分确认，请打开查看条款、理由及申诉方式。",
        ),
        DECIDED,
    ),
    "confirmation.declined": _wording(
        Category.DECISION,
        ("Application declined", "申请未通过"),
        (
            "The insurer declined application {claim_no}. Open it for the clause, the reasons and how to appeal.",
            "保险公司未通过申请 {claim_no}，请打开查看条款、理由及申诉方式。",
        ),
        DECIDED,
    ),
    "appeal.filed": _wording(
        Category.PROGRESS,
        ("Appeal received", "申诉已收到"),
        (
            "Another person looks at application {claim_no} now.",
            "申请 {claim_no} 的申诉已收到，将由另一位审核人员处理。",
        ),
        NEWS,
    ),
    "appeal.upheld": _wording(
        Category.DECISION,
        ("Appeal decided", "申诉已有结果"),
        (
            "The decision on application {claim_no} stands. Open it for the reasons.",
            "申请 {claim_no} 维持原决定，请打开查看理由。",
        ),
        DECIDED,
    ),
    "appeal.won": _wording(
        Category.DECISION,
        ("Appeal decided", "申诉已有结果"),
        (
            "Your appeal on application {claim_no} was right: it is reviewed anew.",
            "申请 {claim_no} 的申诉成立，将重新审核。",
        ),
        DECIDED,
    ),
    "paper.due": _wording(
        Category.ACTION,
        ("Paper originals are needed", "需要寄送纸质原件"),
        (
            "Please send the paper originals of application {claim_no} by courier.",
            "请快递寄送申请 {claim_no} 的纸质原件。",
        ),
        TURN,
    ),
    "paper.received": _wording(
        Category.PROGRESS,
        ("Paper originals have come", "纸质原件已收到"),
        (
            "The paper originals of application {claim_no} are with us.",
            "申请 {claim_no} 的纸质原件已收到。",
        ),
        NEWS,
    ),
    "letter.sent": _wording(
        Category.DECISION,
        ("A letter with reasons", "说明函"),
        (
            "The letter on application {claim_no} is there: the clause, the reasons, and until when you may appeal.",
            "申请 {claim_no} 的说明函已送达，请打开查看依据条款、理由及申诉期限。",
        ),
        DECIDED,
    ),
    "conversation.answered": _wording(
        Category.ACTION,
        ("Customer service has answered", "客服已回复"),
        ("There is an answer to your question.", "您的咨询已有回复。"),
        NEWS,
    ),
    "helper.accepted": _wording(
        Category.ACCESS,
        ("Your helper can act for you", "协助人已生效"),
        (
            "The helper you invited has accepted and may act for you until {until}. You can end it at any time.",
            "您邀请的协助人已接受，可代您操作至 {until}；您可随时终止。",
        ),
        ACCESS,
    ),
    "helper.ended": _wording(
        Category.ACCESS,
        ("A helper's access has ended", "协助授权已终止"),
        ("A person who could act for you can no longer do so.", "一位协助人的授权已终止。"),
        ACCESS,
    ),
}
# Sent to a number whose owner is not known yet: the words are all there is.
SIGN_IN_CODE: Final = (
    "Your sign-in code is {code}. It is valid for 5 minutes. Tell it to nobody.",
    "您的登录验证码为 {code}，5 分钟内有效，请勿告知他人。",
)
