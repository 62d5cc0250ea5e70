"""`python -m bench.load`: cashiers in a closed loop, each waiting for its verdict before the next settlement.

A process of its own, so that its CPU is told apart; HTTP by hand on asyncio protocols, so that it takes little of it.
Reads its orders as JSON on standard input, says `begin` and `end` around the measured time, then its tally as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

HOST = "127.0.0.1"
END_OF_HEAD = b"\r\n\r\n"
# Longer than any `wait_seconds`: whoever has no answer by then will get none.
LAST_ANSWER_SECONDS = 40.0
LONGEST_WARMUP_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Numbers of one shift; seconds throughout.

    The warm-up lasts `warmup_seconds` and until `warmup_settlements` are done: so many that every thread and child has
    its connections. `limit` ends the measured time early after so many settlements; 0: only the clock does. A cashier
    waits up to `wait_seconds` for a verdict, and `pause_seconds` after it before the next patient.
    """

    ports: list[int]
    client_key: str
    scheme: str
    region: str
    cashiers: int
    warmup_seconds: float
    seconds: float
    prefix: str
    warmup_settlements: int = 0
    limit: int = 0
    wait_seconds: float = 25
    pause_seconds: float = 0.0


@dataclass
class Tally:
    """`words` counts every answer by its verdict or HTTP status; latencies are of the measured time, milliseconds."""

    words: dict[str, int] = field(default_factory=dict)
    broken: int = 0
    measured: int = 0
    measured_seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)


def wish(his_no: str, orders: Orders) -> bytes:
    """The body of the contract (docs/his-api.md), one bill of one line."""
    return json.dumps(
        {
            "his_no": his_no,
            "operation": "settle",
            "operator": {"no": "C12", "name": "李四光", "terminal_no": "W03", "shift_no": "S-1"},
            "person": {"id_type": "01", "id_no": "110101199001011237", "name": "张三"},
            "visit": {
                "visit_no": f"V-{his_no}",
                "kind": "outpatient",
                "med_type": "11",
                "department": "肿瘤科",
                "doctor_no": "D07",
                "diagnoses": [{"code": "C34.9", "name": "肺恶性肿瘤"}],
            },
            "bill": {"bill_no": "B-1"},
            "insurance": {"scheme": orders.scheme, "region": orders.region},
            "items": [
                {
                    "line_no": 1,
                    "code": "XM0001",
                    "name": "检查费",
                    "quantity": "1",
                    "unit_price": "100.000000",
                    "amount_minor": 10000,
                }
            ],
            "total_minor": 10000,
            "currency": "CNY",
            "wait_seconds": orders.wait_seconds,
        },
        ensure_ascii=False,
    ).encode()


class Shift:
    """What all cashiers share: orders, numbers, the clock and the tally."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.tally = Tally()
        self.measuring = self.over = False
        self.number = 0
        self.answers = 0
        self.warm = asyncio.Event()
        self.limit_reached = asyncio.Event()

    def next_request(self) -> tuple[str, bytes]:
        self.number += 1
        his_no = f"{self.orders.prefix}-{self.number:07d}"
        body = wish(his_no, self.orders)
        head = (
            f"POST /api/his/v1/transactions HTTP/1.1\r\nHost: {HOST}\r\n"
            f"Authorization: Bearer {self.orders.client_key}\r\nIdempotency-Key: {his_no}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return his_no, head.encode() + body

    def answered(self, his_no: str, status: int, body: bytes, elapsed_seconds: float) -> None:
        word = f"HTTP {status}"
        if status in (200, 202):
            answer = json.loads(body)
            word = answer["verdict"] if answer["his_no"] == his_no else "answer to another wish"
        self.tally.words[word] = self.tally.words.get(word, 0) + 1
        self.answers += 1
        if self.answers >= self.orders.warmup_settlements:
            self.warm.set()
        if self.measuring and word == "succeeded":
            self.tally.measured += 1
            self.tally.latencies_ms.append(round(elapsed_seconds * 1000, 3))
            if self.tally.measured == self.orders.limit:
                self.limit_reached.set()


class Cashier(asyncio.Protocol):
    """One kept connection: ask, wait for the whole answer, ask again."""

    def __init__(self, shift: Shift) -> None:
        self.shift = shift
        self.buffer = bytearray()
        self.his_no = ""
        self.began = 0.0
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.his_no = ""
        if self.shift.over:
            self.transport.close()
            return
        self.his_no, request = self.shift.next_request()
        self.began = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head_end = self.buffer.find(END_OF_HEAD)
        if head_end < 0:
            return
        head = bytes(self.buffer[:head_end]).lower()
        _, _, after = head.partition(b"\r\ncontent-length:")
        whole = head_end + len(END_OF_HEAD) + int(after.partition(b"\r\n")[0])
        if len(self.buffer) < whole:
            return
        body = bytes(self.buffer[head_end + len(END_OF_HEAD) : whole])
        del self.buffer[:whole]
        self.shift.answered(self.his_no, int(head[9:12]), body, time.perf_counter() - self.began)
        if pause_seconds := self.shift.orders.pause_seconds:
            self.his_no = ""
            asyncio.get_running_loop().call_later(pause_seconds, self._ask)
        else:
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if self.his_no:
            self.shift.tally.broken += 1
        if not self.gone.done():
            self.gone.set_result(None)


async def work(orders: Orders) -> Tally:
    """Play one shift. Raises OSError when a listener takes no connection."""
    shift = Shift(orders)
    loop = asyncio.get_running_loop()
    cashiers = []
    for number in range(orders.cashiers):
        port = orders.ports[number % len(orders.ports)]
        _, cashier = await loop.create_connection(lambda: Cashier(shift), HOST, port)
        cashiers.append(cashier)
    await asyncio.sleep(orders.warmup_seconds)
    if orders.warmup_settlements:
        await asyncio.wait_for(shift.warm.wait(), LONGEST_WARMUP_SECONDS)
    shift.measuring, began = True, time.perf_counter()
    print("begin", flush=True)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(shift.limit_reached.wait(), orders.seconds)
    shift.measuring = False
    shift.tally.measured_seconds = time.perf_counter() - began
    print("end", flush=True)
    shift.over = True
    await asyncio.wait([cashier.gone for cashier in cashiers], timeout=LAST_ANSWER_SECONDS)
    for cashier in cashiers:
        if not cashier.gone.done():
            shift.tally.broken += 1
            cashier.his_no = ""
            cashier.transport.abort()
    return shift.tally


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(work(Orders(**json.load(sys.stdin)))))), flush=True)
