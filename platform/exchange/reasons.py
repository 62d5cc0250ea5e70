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
        "Do not send a new settlement. Ask the insurer or the operators; this version does not find out by itself yet.",
    ),
    "answer_not_trusted": (
        "The insurer's answer could not be trusted ({explanation}); whether it settled is not known yet.",
        "保险方的应答不可采信（{explanation}），是否已结算尚不确定。",
        "Do not send a new settlement. Ask the insurer or the operators; this version does not find out by itself yet.",
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
    "no_answer_nothing_at_stake": (
        "The insurer did not answer. A question holds no money, so nothing is in doubt.",
        "保险方未应答。查询类交易不涉及资金，无悬账。",
        "Ask again with a new his_no.",
    ),
}

# Beside the sentences above: who must do what, in Chinese.
FIXES_ZH: dict[str, str] = {
    "waiting_for_insurer": "请用 GET 再次查询，或原样重发该请求：重发只会继续等待，不会重复执行。",
    "insurer_did_not_answer": "请勿重新结算。请向保险方或平台运营人员核实；本版本尚不能自行查明结果。",
    "answer_not_trusted": "请勿重新结算。请向保险方或平台运营人员核实；本版本尚不能自行查明结果。",
    "answer_not_worked": "请勿重新结算。请用 GET 再次查询，并将追踪编号提供给平台运营人员。",
    "refused_by_insurer": "请查看保险方返回的说明或代码；排除原因后，使用新的 HIS 流水号重新提交。",
    "connection_failed": "请改收现金，或稍后使用新的 HIS 流水号重试；保险方没有任何记录。",
    "dropped_before_sending": "请改收现金，或稍后使用新的 HIS 流水号重试。",
    "lane_broken": "请改收现金，或稍后使用新的 HIS 流水号重试。",
    "lane_paused": "请改收现金，或待平台运营人员恢复该通道后，使用新的 HIS 流水号重新提交。",
    "could_not_build": "请将追踪编号提供给平台运营人员。",
    "no_answer_nothing_at_stake": "请使用新的 HIS 流水号重新查询。",
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
