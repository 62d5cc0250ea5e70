"""A direct call to the insurer, for the latency that the platform adds to it: the same message, signed by hand."""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import time
from datetime import UTC, datetime, timedelta

from bench.stage import INSURER, Stage

PATH = "/spi/v1/settle"
SENDER, SCHEMA = "MEDISETTLE", "1"


def direct_latencies_ms(stage: Stage, *, calls: int) -> list[float]:
    """Milliseconds of each of `calls` settlements asked of the insurer itself, one after the other."""
    key = stage.insurer.key
    connection = http.client.HTTPConnection("127.0.0.1", stage.insurer.port, timeout=10)
    latencies = []
    try:
        for number in range(calls):
            body, headers = _message(f"DIRECT-{number:06d}", key["key_id"], base64.b64decode(key["secret"]))
            began = time.perf_counter()
            connection.request("POST", PATH, body, headers)
            answer = connection.getresponse()
            content = json.loads(answer.read())
            latencies.append((time.perf_counter() - began) * 1000)
            if answer.status != 200 or content.get("code") != "done":
                raise RuntimeError(f"the insurer answered {answer.status} {content}")
    finally:
        connection.close()
    return latencies


def _message(message_id: str, key_id: str, secret: bytes) -> tuple[bytes, dict[str, str]]:
    """Body and signed headers (insurers/sandbox/README.md)."""
    not_after = datetime.now(UTC) + timedelta(minutes=1)
    body = json.dumps(
        {
            "msgid": message_id,
            "his_no": message_id,
            "hospital": "HOSP-A",
            "not_after": not_after.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "person": {"id_type": "01", "id_no": "110101199001011237", "name": "张三"},
            "visit": {"visit_no": f"V-{message_id}"},
            "bill": {"bill_no": "B-1"},
            "insurance": {"scheme": "310", "region": "110000"},
            "items": [{"line_no": 1, "code": "XM0001", "quantity": "1", "amount_minor": 10000}],
            "total_minor": 10000,
            "currency": "CNY",
        },
        ensure_ascii=False,
    ).encode()
    facts = (SENDER, INSURER, message_id, message_id, str(int(time.time())), SCHEMA, key_id)
    names = ("Sender", "Recipient", "Message-Id", "Correlation-Id", "Timestamp", "Schema", "Key-Id")
    headers = {f"X-MS-{name}": fact for name, fact in zip(names, facts, strict=True)}
    text = "\n".join(("request", *facts, PATH)).encode() + b"\n" + body
    signature = base64.b64encode(hmac.digest(secret, text, "sha256")).decode()
    return body, {**headers, "X-MS-Signature": signature, "Content-Type": "application/json"}
