"""What the timeline and the next step say, in English and Chinese. No drug, no illness, no amount."""

from __future__ import annotations

from claims.states import ClaimState

S = ClaimState
EVENTS = {
    "claim.drafted": ("Draft begun", "已创建草稿"),
    "claim.submitted": ("Claim filed", "已提交申请"),
    "claim.withdrawn": ("Claim withdrawn", "已撤回申请"),
    "claim.reopened": ("Claim opened again", "申请已重新打开"),
    "claim.closed": ("Claim closed", "申请已结案"),
    "document.added": ("Document handed in", "已提交材料"),
    "document.withdrawn": ("Document withdrawn", "已撤回材料"),
    "prereview.began": ("Review by the platform began", "平台开始预审"),
    "prereview.passed": ("Recommended to the insurer", "预审通过，已提请保险公司确认"),
    "prereview.declined": ("Declined in the review", "预审未通过"),
    "materials.requested": ("More materials asked for", "要求补充材料"),
    "materials.answered": ("Materials supplied", "已补充材料"),
    "materials.overdue": ("Materials did not come in time", "补充材料逾期未交"),
    "investigation.began": ("Investigation began", "开始调查"),
    "investigation.ended": ("Investigation ended", "调查结束"),
    "confirmation.confirmed": ("Confirmed by the insurer", "保险公司已确认"),
    "confirmation.partly_confirmed": ("Confirmed in part", "保险公司部分确认"),
    "confirmation.declined": ("Declined by the insurer", "保险公司拒赔"),
    "appeal.filed": ("Appeal filed", "已提出申诉"),
    "appeal.upheld": ("Appeal decided: the decision stands", "申诉已处理：维持原决定"),
    "appeal.won": ("Appeal decided: reviewed anew", "申诉成立：重新审核"),
    "paper.due": ("Paper originals are due", "需邮寄纸质原件"),
    "paper.sent": ("Paper originals are on their way", "纸质原件已寄出"),
    "paper.received": ("Paper originals received", "已收到纸质原件"),
    "basic.settled": ("Basic insurance has settled its part", "基本医保已结算"),
    "goods.handed_over": ("Handed over at the pharmacy", "药房已交付"),
    "goods.came_back": ("Back at the pharmacy", "药品已退回药房"),
    "letter.sent": ("Letter with reasons sent", "已发送说明函"),
}
WORDS_OF_STATES = {
    S.DRAFT: ("Draft", "草稿"),
    S.SUBMITTED: ("Filed", "已提交"),
    S.IN_PREREVIEW: ("In review by the platform", "平台预审中"),
    S.MATERIALS_REQUESTED: ("Materials asked for", "待补充材料"),
    S.PREREVIEW_PASSED: ("Recommended", "预审通过"),
    S.PREREVIEW_DECLINED: ("Declined in the review", "预审未通过"),
    S.IN_CONFIRMATION: ("With the insurer", "保险公司确认中"),
    S.INVESTIGATION: ("Being looked into", "核查中"),
    S.CONFIRMED: ("Confirmed", "已确认"),
    S.PARTLY_CONFIRMED: ("Confirmed in part", "部分确认"),
    S.DECLINED: ("Declined", "已拒赔"),
    S.APPEALED: ("Appeal under way", "申诉处理中"),
    S.REOPENED: ("Opened again", "重新审核"),
    S.WITHDRAWN: ("Withdrawn", "已撤回"),
    S.CLOSED: ("Closed", "已结案"),
}
MOVES = {S.IN_CONFIRMATION: ("Put before the insurer", "已提交保险公司")}
_REVIEW = ("PREREVIEW", "Review the claim", "审核申请")
_CONFIRM = ("INSURER", "Decide on the claim", "作出理赔决定")
_FILE = ("PATIENT", "Complete and file the claim", "完善并提交申请")
_SUPPLY = ("PATIENT", "Hand in what was asked for", "补交所要求的材料")
_APPEAL = ("PATIENT", "Accept, or appeal in time", "接受决定或在期限内申诉")
_PAY = ("INSURER", "Pay what was confirmed", "支付已确认的款项")
_NOTHING = ("NOBODY", "Nothing is to be done", "无需操作")
PAPER_SEND = ("PATIENT", "Send the paper originals, and enter the courier's number", "寄送纸质原件并填写快递单号")
PAPER_RECEIVE = ("PREREVIEW", "Note that the paper originals have come", "登记收到纸质原件")
LETTER_SEND = ("PLATFORM", "Send the letter with reasons", "发送说明函")
# By state: (while it is the pre-review's stage, while it is the insurer's).
STEPS = {
    S.DRAFT: (_FILE, _FILE),
    S.SUBMITTED: (("PLATFORM", "Run the checks", "执行系统检查"), ("PLATFORM", "Run the checks", "执行系统检查")),
    S.IN_PREREVIEW: (_REVIEW, _REVIEW),
    S.MATERIALS_REQUESTED: (_SUPPLY, _SUPPLY),
    S.PREREVIEW_PASSED: (_CONFIRM, _CONFIRM),
    S.PREREVIEW_DECLINED: (_APPEAL, _APPEAL),
    S.IN_CONFIRMATION: (_CONFIRM, _CONFIRM),
    S.INVESTIGATION: (
        ("PREREVIEW", "Finish the investigation", "完成核查"),
        ("INSURER", "Finish the investigation", "完成核查"),
    ),
    S.CONFIRMED: (_PAY, _PAY),
    S.PARTLY_CONFIRMED: (_PAY, _PAY),
    S.DECLINED: (_APPEAL, _APPEAL),
    S.APPEALED: (
        ("PREREVIEW", "Decide on the appeal", "处理申诉"),
        ("INSURER", "Decide on the appeal", "处理申诉"),
    ),
    S.REOPENED: (_REVIEW, _CONFIRM),
    S.WITHDRAWN: (_NOTHING, _NOTHING),
    S.CLOSED: (_NOTHING, _NOTHING),
}
