"""Expected failures: one base class, a code per cause, sentences in English and Chinese that say who must do what."""

from __future__ import annotations

from typing import Any

TYPE_BASE = "https://medisettle.example/problems/"


class Problem(Exception):
    """A failure that a caller can understand and mend. Rendered as problem+json (RFC 9457).

    Subclasses stand beside the function that raises them and set the class fields; the texts are templates over the
    keyword arguments of the constructor. `extra` members (RFC 9457 extension members) ride along in the body.
    """

    code = "problem"
    status = 400
    title = "The request cannot be carried out"
    detail = "{explanation}"
    detail_zh = "请求无法执行：{explanation}"
    fix = "Read the detail, correct the request and send it again."
    fix_zh = "请按说明更正请求后重新发送。"

    def __init__(self, extra: dict[str, Any] | None = None, **fields: object) -> None:
        self.fields = fields
        self.extra = extra or {}
        super().__init__(self.text("detail"))

    def text(self, name: str) -> str:
        return str(getattr(type(self), name)).format(**self.fields)

    def body(self, *, trace_id: str) -> dict[str, Any]:
        """The problem+json document; `trace_id` finds the request in our logs."""
        return {
            "type": TYPE_BASE + self.code,
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.text("detail"),
            "detail_zh": self.text("detail_zh"),
            "fix": self.text("fix"),
            "fix_zh": self.text("fix_zh"),
            "trace_id": trace_id,
            **self.extra,
        }


class ServiceUnavailable(Problem):
    code = "service_unavailable"
    status = 503
    title = "The platform cannot answer right now"
    detail = "The request may or may not have been stored ({cause})."
    detail_zh = "平台暂时无法应答，本次请求可能已保存，也可能未保存。"
    fix = "Send the same request again with the same Idempotency-Key: it never acts twice."
    fix_zh = "请使用同一 Idempotency-Key 原样重发该请求，重发不会重复执行。"


class InternalError(Problem):
    code = "internal_error"
    status = 500
    title = "A fault of ours"
    detail = "The platform failed while handling this request."
    detail_zh = "平台处理该请求时发生内部错误。"
    fix = "Ask for the current state with GET; give the trace id to the platform's operators."
    fix_zh = "请用 GET 查询当前状态，并将 trace_id 提供给平台运营人员。"


class Forbidden(Problem):
    code = "forbidden"
    status = 403
    title = "Not allowed"
    detail = "This {subject} may not {act}."
    detail_zh = "当前密钥或用户无权执行 {act}。"
    fix = "Ask your administrator for the missing scope or role."
    fix_zh = "请联系管理员开通所缺的权限范围或角色。"


class NotFound(Problem):
    code = "not_found"
    status = 404
    title = "Not found"
    detail = "No {noun} {key} is known to your organisation."
    detail_zh = "本机构没有{noun_zh} {key}。"
    fix = "Check the number. A 404 promises nothing about a request whose answer was lost: send it again."
    fix_zh = "请核对编号。对应答丢失的请求，404 不说明任何问题，请重发原请求。"

    def __init__(
        self, extra: dict[str, Any] | None = None, *, noun: str, key: object, noun_zh: str = "这条记录"
    ) -> None:
        super().__init__(extra, noun=noun, key=key, noun_zh=noun_zh)


class Conflict(Problem):
    code = "conflict"
    status = 409
    title = "In conflict with what is stored"
