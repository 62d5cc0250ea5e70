"""Why a verdict is not plain success: code -> what happened, in English and Chinese, and who must do what."""

from __future__ import annotations

from typing import Any

REASONS: dict[str, tuple[str, str, str]] = {
    "waiting_for_insurer": (
        "The insurer has not answered yet; the call goes on.",
        "保险方尚未应答，交易仍在处理中。",
        "Ask again with GET, or post the same request again: it joins the wait and never acts twice.",
    ),
    "insurer_did_not_answer": (
        "The insurer did not answer in time; whether it settled is not known yet.",
        "保险方未在时限内应答，是否已结算尚不确定。",
        "Wait: the monitor is finding out. Or take cash and say so with abandon. Send no new settlement meanwhile.",
    ),
    "answer_not_trusted": (
        "The insurer's answer could not be trusted ({explanation}); whether it settled is not known yet.",
        "保险方的应答不可采信（{explanation}），是否已结算尚不确定。",
        "Wait: the monitor is finding out. Or take cash and say so with abandon. Send no new settlement meanwhile.",
    ),
    "answer_not_worked": (
        "The insurer answered, but the platform could not work its answer; a person is looking at it.",
        "保险方已应答，但平台处理其应答时发生错误，已转人工处理。",
        "Do not send a new settlement. Ask again with GET; give the trace id to the platform's operators.",
    ),
    "refused_by_insurer": (
        "The insurer refused; it holds nothing.",
        "保险方拒绝了该交易，未发生结算。",
        "Read insurer_text or insurer_code. After mending the cause send a new his_no.",
    ),
    "connection_failed": (
        "No connection to the insurer could be made; nothing was sent.",
        "无法连接保险方，报文未发出。",
        "Take cash, or try again later with a new his_no; nothing is held at the insurer.",
    ),
    "dropped_before_sending": (
        "The message was ready too late and was dropped before a byte left; nothing was sent.",
        "报文超过发送时限，在发出前已被丢弃，未发送任何内容。",
        "Take cash, or try again later with a new his_no.",
    ),
    "lane_broken": (
        "The insurer has not been answering lately, so nothing was sent.",
        "保险方近期持续无应答，为避免悬账，本次未发送。",
        "Take cash, or try again later with a new his_no.",
    ),
    "lane_paused": (
        "This insurer's lane is paused, so nothing was sent.",
        "该保险方通道已暂停，本次未发送。",
        "Take cash, or send a new his_no once the operators have resumed it.",
    ),
    "could_not_build": (
        "The message to the insurer could not be built; nothing was sent.",
        "无法生成发往保险方的报文，本次未发送。",
        "Give the trace id to the platform's operators.",
    ),
    "nobody_covers": (
        "Every insurer that was asked says that it does not cover this person; nothing was sent.",
        "所询问的保险方均表示未承保此人，未发送结算。",
        "Check the person's number, or name `insurance.scheme` and `insurance.region` and send a new his_no.",
    ),
    "coverage_unknown": (
        "Not every insurer said whether it covers this person; nothing was sent.",
        "部分保险方未答复是否承保此人，未发送结算。",
        "Name `insurance.scheme` and `insurance.region`, or try again later with a new his_no.",
    ),
    "no_answer_nothing_at_stake": (
        "The insurer did not answer. A question holds no money, so nothing is in doubt.",
        "保险方未应答。查询类交易不涉及资金，无悬账。",
        "Ask again with a new his_no.",
    ),
    "no_answer_compensate_first": (
        "The insurer did not answer; whether it registered or took the upload is not known. No money is in doubt.",
        "保险方未应答，登记或上传是否已生效尚不确定；不涉及资金，无悬账。",
        "Undo it first with the operation that undoes this one; once that has succeeded, send it again.",
    ),
    "cash_taken": (
        "Cash was taken before the insurer's result was known; the reversal is ours to do.",
        "在得知保险结果前已收取现金，冲正由平台负责。",
        "Nothing: the cash is the payment for now. Ask again with GET for how it ended.",
    ),
    "cash_taken_reversing": (
        "Cash was taken and the insurer turned out to have settled; that settlement is being reversed.",
        "已收取现金，而保险方其实已结算，平台正在冲正该笔结算。",
        "Nothing: the cash is the payment. Do not settle the bill before the verdict is `reversed`.",
    ),
    "cash_without_wish": (
        "Cash was reported for a wish that had never come; nothing was and nothing will be sent for it.",
        "收到了现金登记，但从未收到该交易；不会再向保险方发送。",
        "To settle the bill after all, send a new his_no with `replaces` naming this one.",
    ),
    "abandoned_before_sending": (
        "Cash was taken before the message left; it was not sent.",
        "在报文发出前已收取现金，报文未发送。",
        "Nothing: the cash is the payment. To settle after all, send a new his_no with `replaces`.",
    ),
    "reversing_abandoned": (
        "Cash was taken and the insurer's result is not known; the wish is being reversed to be safe.",
        "已收取现金且保险结果未知，平台正在冲正以确保不重复扣费。",
        "Nothing: the cash is the payment. Ask again with GET for how it ended.",
    ),
    "reversing_not_proven": (
        "Nothing could be proven after the quiet time, so the wish is being reversed.",
        "静默期过后仍无法证实，平台正在冲正该交易。",
        "Wait for `reversed`; then settle anew with `replaces`, or keep the cash.",
    ),
    "reversing_surfaced": (
        "The insurer shows as settled what was held for undone; it is being reversed once more.",
        "保险方显示原以为未生效的结算已生效，平台正在再次冲正。",
        "Nothing: what you were told stays true.",
    ),
    "reversing_late_answer": (
        "The insurer's answer came after the wish was held for undone; it is being reversed once more.",
        "保险方的应答迟到，平台正在再次冲正。",
        "Nothing: what you were told stays true.",
    ),
    "late_answer_not_undone": (
        "The insurer's answer came after the wish was held for undone, and it may not be reversed twice; "
        "a person has it now.",
        "保险方的应答迟到，且该保险方不支持重复冲正，已转人工处理。",
        "Wait for the ruling; the back office sees it in its queue. What you were told stays true.",
    ),
    "disown_in_progress": (
        "You disowned this success; its reversal is under way.",
        "贵院否认了该笔成功交易，平台正在冲正。",
        "Wait for `reversed` before you settle the bill anew.",
    ),
    "reversing_ruling": (
        "Two persons decided to ask the insurer again to reverse it.",
        "经两人裁定，正再次向保险方发起冲正。",
        "Wait; ask again with GET.",
    ),
    "reversal_accepted": (
        "The insurer undid the settlement.",
        "保险方已撤销该笔结算。",
        "Cash that was taken is the payment; to settle after all, send a new his_no with `replaces`.",
    ),
    "nothing_held": (
        "The insurer holds nothing of this wish.",
        "保险方没有该交易的任何记录。",
        "Cash that was taken is the payment; to settle after all, send a new his_no with `replaces`.",
    ),
    "not_found_after_quiet": (
        "Asked after the quiet time, the insurer holds nothing of this wish.",
        "静默期过后查询，保险方没有该交易的记录。",
        "Send a new his_no with `retry_of`, or with `replaces` where cash was taken.",
    ),
    "cancelled_by": (
        "The settlement was cancelled by {explanation}.",
        "该笔结算已由 {explanation} 撤销。",
        "Nothing.",
    ),
    "cancelled_as": (
        "The insurer booked the cancel as {explanation}.",
        "保险方的撤销单号为 {explanation}。",
        "Nothing.",
    ),
    "resettle_cancel_refused": (
        "The settled fee could not be cancelled ({explanation}), so the rest was not settled; the old one stands.",
        "保险方未撤销原结算（{explanation}），因此未重新结算，原结算仍然有效。",
        "Read the cancel's reason with GET; nothing has changed.",
    ),
    "cancelled_rest_open": (
        "The old settlement is cancelled, but the rest could not be settled ({explanation}).",
        "原结算已撤销，但剩余部分未能重新结算（{explanation}）。",
        "Settle the rest with a new his_no whose `replaces` names this one, or give the service up.",
    ),
    "service_cancelled_before_sending": (
        "The service was cancelled before the message left; it was not sent.",
        "报文发出前服务已取消，未发送。",
        "Give back what cash was taken and report it with refunded.",
    ),
    "needs_person": (
        "A person has to look at this transaction.",
        "该交易需要人工处理。",
        "Wait for the ruling; the back office sees it in its queue.",
    ),
    "ladder_used_up": (
        "The insurer gave no usable answer to any question; a person has it now.",
        "多次询问保险方均无有效应答，已转人工处理。",
        "Wait for the ruling; the back office sees it in its queue.",
    ),
    "reversal_refused": (
        "The insurer refuses to reverse; a person has it now.",
        "保险方拒绝冲正，已转人工处理。",
        "Wait for the ruling; the back office sees it in its queue.",
    ),
    "reversal_not_answered": (
        "The reversal was not answered, and this insurer can neither be asked nor told twice; a person has it now.",
        "冲正无应答，且该保险方既不能查询也不能重复冲正，已转人工处理。",
        "Wait for the ruling; the back office sees it in its queue.",
    ),
    "reverse_window_over": (
        "The time in which the insurer takes reversals is over; a person has it now.",
        "已超过保险方受理冲正的时限，已转人工处理。",
        "Wait for the ruling; the back office sees it in its queue.",
    ),
    "original_unknown": (
        "The insurer says that it knows nothing to reverse, which proves nothing here; a person has it now.",
        "保险方称没有可冲正的记录，但这不足以证实，已转人工处理。",
        "Wait for the ruling; the back office sees it in its queue.",
    ),
    "held_another": (
        "Under our message id the insurer shows another person or total; a person has it now.",
        "保险方在本报文编号下显示了不同的人员或金额，已转人工处理。",
        "Wait for the ruling; the back office sees it in its queue.",
    ),
    "held_undone": (
        "The insurer shows the settlement as reversed, though nobody here reversed it; a person has it now.",
        "保险方显示该结算已被冲正，但平台并未发起冲正，已转人工处理。",
        "Wait for the ruling; the back office sees it in its queue.",
    ),
    "held_cancelled": (
        "The insurer shows the settlement as cancelled, though nobody here cancelled it; a person has it now.",
        "保险方显示该结算已被撤销，但平台并未发起撤销，已转人工处理。",
        "Wait for the ruling; the back office sees it in its queue.",
    ),
    "question_not_built": (
        "No question to the insurer could be built; a person has it now.",
        "无法生成向保险方的询问报文，已转人工处理。",
        "Give the trace id to the platform's operators.",
    ),
    "no_call_to_ask_about": (
        "No message of this wish is stored to ask about; a person has it now.",
        "没有可供查询的报文记录，已转人工处理。",
        "Give the trace id to the platform's operators.",
    ),
    "unacknowledged": (
        "Settled, and you have not said yet that you have booked it.",
        "已结算，但贵院尚未确认入账。",
        "Book it and acknowledge it. If your records lack it, disown it; if the fee shall not stand, cancel it.",
    ),
    "refund_due": (
        "The patient paid more in cash than his own share.",
        "患者已付现金超过其个人负担部分。",
        "Give back what is due and report it with refunded.",
    ),
    "refund_unclaimed": (
        "The patient's refund has been due for a long time and nobody has collected it.",
        "应退患者的款项长期无人领取。",
        "Reach the patient; report the refund with refunded once it is paid.",
    ),
    "cash_short": (
        "More was given back than turned out to be due.",
        "已退款项多于实际应退金额。",
        "Collect the difference from the patient, or book it as the hospital's loss.",
    ),
    "not_square": (
        "Insurers' shares and cash do not add up to the price of this bill.",
        "该账单的保险支付与现金合计不等于账单金额。",
        "Read the bill with GET bills: somebody must find what is missing.",
    ),
    "ruled": (
        "Two persons ruled on this transaction.",
        "该交易已由两人裁定。",
        "Nothing: the verdict is final.",
    ),
}

# Beside the sentences above: who must do what, in Chinese.
FIXES_ZH: dict[str, str] = {
    "waiting_for_insurer": "请用 GET 再次查询，或原样重发该请求：重发只会继续等待，不会重复执行。",
    "insurer_did_not_answer": "请等待，平台正在核实；或改收现金并用 abandon 告知。在此期间请勿重新结算。",
    "answer_not_trusted": "请等待，平台正在核实；或改收现金并用 abandon 告知。在此期间请勿重新结算。",
    "answer_not_worked": "请勿重新结算。请用 GET 再次查询，并将追踪编号提供给平台运营人员。",
    "refused_by_insurer": "请查看保险方返回的说明或代码；排除原因后，使用新的 HIS 流水号重新提交。",
    "connection_failed": "请改收现金，或稍后使用新的 HIS 流水号重试；保险方没有任何记录。",
    "dropped_before_sending": "请改收现金，或稍后使用新的 HIS 流水号重试。",
    "lane_broken": "请改收现金，或稍后使用新的 HIS 流水号重试。",
    "lane_paused": "请改收现金，或待平台运营人员恢复该通道后，使用新的 HIS 流水号重新提交。",
    "could_not_build": "请将追踪编号提供给平台运营人员。",
    "nobody_covers": "请核对人员证件号，或填写 insurance.scheme 和 insurance.region 后以新的流水号提交。",
    "coverage_unknown": "请填写 insurance.scheme 和 insurance.region，或稍后使用新的流水号重试。",
    "no_answer_nothing_at_stake": "请使用新的 HIS 流水号重新查询。",
    "no_answer_compensate_first": "请先用对应的撤销操作撤回；撤回成功后再重新提交。",
    "cash_taken": "无需处理：现金暂作付款，稍后可用 GET 查询最终结果。",
    "cash_taken_reversing": "无需处理：现金即为付款。在结果变为 reversed 之前，请勿重新结算该账单。",
    "cash_without_wish": "如仍需医保结算，请使用新的 HIS 流水号并在 replaces 中填写本流水号。",
    "abandoned_before_sending": "无需处理：现金即为付款。如仍需结算，请使用新的流水号并填写 replaces。",
    "reversing_abandoned": "无需处理：现金即为付款，稍后可用 GET 查询最终结果。",
    "reversing_not_proven": "请等待结果变为 reversed，之后可用 replaces 重新结算，或保留现金。",
    "reversing_surfaced": "无需处理：此前告知的结果保持不变。",
    "reversing_late_answer": "无需处理：此前告知的结果保持不变。",
    "late_answer_not_undone": "请等待人工裁定，可在院端后台查看；此前告知的结果保持不变。",
    "disown_in_progress": "请等待结果变为 reversed 后再重新结算该账单。",
    "reversing_ruling": "请等待，并用 GET 再次查询。",
    "reversal_accepted": "已收现金即为付款；如仍需结算，请使用新的流水号并填写 replaces。",
    "nothing_held": "已收现金即为付款；如仍需结算，请使用新的流水号并填写 replaces。",
    "not_found_after_quiet": "请使用新的流水号并填写 retry_of；如已收现金请填写 replaces。",
    "cancelled_by": "无需处理。",
    "cancelled_as": "无需处理。",
    "resettle_cancel_refused": "请用 GET 查看撤销交易的原因；一切保持原状。",
    "cancelled_rest_open": "请使用新的流水号重新结算剩余部分并在 replaces 中填写本流水号，或取消服务。",
    "service_cancelled_before_sending": "如已收现金请退还，并用 refunded 告知。",
    "needs_person": "请等待人工裁定，可在院端后台查看。",
    "ladder_used_up": "请等待人工裁定，可在院端后台查看。",
    "reversal_refused": "请等待人工裁定，可在院端后台查看。",
    "reversal_not_answered": "请等待人工裁定，可在院端后台查看。",
    "reverse_window_over": "请等待人工裁定，可在院端后台查看。",
    "original_unknown": "请等待人工裁定，可在院端后台查看。",
    "held_another": "请等待人工裁定，可在院端后台查看。",
    "held_undone": "请等待人工裁定，可在院端后台查看。",
    "held_cancelled": "请等待人工裁定，可在院端后台查看。",
    "question_not_built": "请将追踪编号提供给平台运营人员。",
    "no_call_to_ask_about": "请将追踪编号提供给平台运营人员。",
    "unacknowledged": "请入账并用 acknowledge 确认；如贵院无此记录请用 disown 否认；如费用不应成立请用 cancel 撤销。",
    "refund_due": "请退还应退款项，并用 refunded 告知。",
    "refund_unclaimed": "请联系患者领取，付款后用 refunded 告知。",
    "cash_short": "请向患者补收差额，或作为医院损失入账。",
    "not_square": "请用 GET bills 查看该账单，并由专人查明差异。",
    "ruled": "无需处理：结果为最终结果。",
}


def reason(code: str, *, insurer_code: str = "", insurer_text: str = "", explanation: str = "") -> dict[str, Any]:
    """The `reason` member of an answer, as his-api says. Raises KeyError for a code that is not in the table."""
    detail, detail_zh, fix = REASONS[code]
    return {
        "code": code,
        "detail": detail.format(explanation=explanation),
        "detail_zh": detail_zh.format(explanation=explanation),
        "fix": fix,
        "fix_zh": FIXES_ZH[code],
        "insurer_code": insurer_code or None,
        "insurer_text": insurer_text or None,
    }
