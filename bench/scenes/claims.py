"""Claims filed by eight patients at a time and decided by the platform: the row of openIMIS.

Each claim is a draft, a photographed prescription and the filing, by the patients' own interface; the rules run over it
and, as the product delegates it, it ends CONFIRMED. Then the same among claims of the past.
"""

from __future__ import annotations

import http.client
import io
import json
import queue
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from PIL import Image

from bench.contenders import start_platform
from bench.runs import BooksDiffer
from bench.scenes.claimants import DRUG, ICD10, PRICE_MINOR, PRODUCT
from bench.stage import WORLD, Stage

CLIENTS = 8
WARM = 40
DECIDED_SECONDS = 300.0
BOUNDARY = "benchbenchbench"
# What was measured of openIMIS on a machine of this kind; it is not run here.
OPENIMIS = {"submitted_per_second": 4.6, "at_100000": 3.7, "statements": 260}
DECIDED = "SELECT count(*) FROM claims_claim WHERE product_id = %s AND state = 'CONFIRMED'"


def play(stage: Stage, *, claims: int, past: int) -> dict[str, Any]:
    """Figures of the scene, without and with a past. Raises BooksDiffer when a claim was not decided as it must."""
    runs = {str(filled): _run(stage, claims, filled) for filled in (0, past)}
    alone, among = runs["0"], runs[str(past)]
    return {
        "claims": claims,
        "clients": CLIENTS,
        "past": past,
        "runs": runs,
        "openimis": OPENIMIS,
        "ratio": round(alone["decided_per_second"] / OPENIMIS["submitted_per_second"], 2),
        "among_ratio": round(among["decided_per_second"] / alone["decided_per_second"], 3),
    }


def _run(stage: Stage, claims: int, filled: int) -> dict[str, Any]:
    database, out = f"bench_claims_{filled}", stage.folder / f"claimants-{filled}.json"
    stage.copy_database(WORLD, database)
    words = ("-m", "bench.scenes.claimants", str(claims + WARM), str(out), str(filled))
    owner = {"MEDISETTLE_DB_ROLE": "owner"}
    stage.supervisor.run(stage.command("claimants", *words, database=database, variables=owner))
    people = json.loads(out.read_text())
    platform = start_platform(stage, database)
    try:
        with psycopg.connect(stage.database_url(database), autocommit=True) as connection:
            _file(platform.ports[0], people[:WARM])
            _decided(connection, WARM)
            began = time.monotonic()
            latencies = _file(platform.ports[0], people[WARM:])
            submitted = time.monotonic() - began
            _decided(connection, claims + WARM)
            decided = time.monotonic() - began
    finally:
        stage.stop(platform.running)
    latencies.sort()
    return {
        "submitted_per_second": round(claims / submitted, 2),
        "decided_per_second": round(claims / decided, 2),
        "claim_ms": {"p50": round(latencies[claims // 2]), "p99": round(latencies[int(claims * 0.99)])},
    }


def _decided(connection: psycopg.Connection, wanted: int) -> None:
    give_up_at = time.monotonic() + DECIDED_SECONDS
    while True:
        row = connection.execute(DECIDED, [PRODUCT]).fetchone()
        found = row[0] if row else 0
        if found == wanted:
            return
        if time.monotonic() > give_up_at:
            raise BooksDiffer(f"of {wanted} claims {found} were decided within {DECIDED_SECONDS:.0f} s")
        time.sleep(0.05)


def _file(port: int, people: Sequence[dict[str, str]]) -> list[float]:
    """File a claim for each, CLIENTS at a time; milliseconds that each took its patient. Raises BooksDiffer."""
    waiting: queue.SimpleQueue[tuple[dict[str, str], bytes]] = queue.SimpleQueue()
    for one in people:
        waiting.put((one, _photo(one["person_id"])))
    taken: list[float] = []
    faults: list[str] = []

    def client() -> None:
        telephone = _Telephone(port)
        while not faults:
            try:
                one, photo = waiting.get_nowait()
            except queue.Empty:
                return
            began = time.monotonic()
            try:
                telephone.file(one, photo)
            except BooksDiffer as fault:
                faults.append(str(fault))
            taken.append(1000 * (time.monotonic() - began))

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise BooksDiffer(faults[0])
    return taken


class _Telephone:
    """One connection that is kept open; each claim has a session of its own."""

    def __init__(self, port: int) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.line.request("GET", "/api/patient/v1/session")
        answer = self.line.getresponse()
        cookies = answer.headers.get_all("Set-Cookie") or []
        self.forgery = next(one.split(";")[0] for one in cookies if one.startswith("csrftoken"))
        self.token = str(json.loads(answer.read())["csrf_token"])

    def file(self, one: dict[str, str], photo: bytes) -> None:
        today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
        draft = {
            "person_id": one["person_id"],
            "policy_id": one["policy_id"],
            "prescription_id": one["prescription_id"],
            "drug_code": DRUG,
            "lines": [{"quantity": 1, "unit_price_minor": PRICE_MINOR, "basic_minor": PRICE_MINOR * 4 // 10}],
            "icd10": ICD10,
            "diagnosed_on": str(today - timedelta(days=60)),
            "days_of_supply": 30,
        }
        claim = self._ask(one, "claims", json.dumps(draft).encode(), "application/json", 201)
        form = _form({"kind": "PRESCRIPTION", "issued_on": str(today)}, photo)
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        self._ask(one, f"claims/{claim['id']}/documents", form, kind, 201)
        self._ask(one, f"claims/{claim['id']}/submit", b"", "application/json", 200)

    def _ask(self, one: dict[str, str], address: str, body: bytes, kind: str, wanted: int) -> Any:
        headers = {
            "Cookie": f"medisettle_patient={one['cookie']}; {self.forgery}",
            "X-CSRFToken": self.token,
            "Content-Type": kind,
        }
        self.line.request("POST", f"/api/patient/v1/{address}", body=body, headers=headers)
        answer = self.line.getresponse()
        said = answer.read()
        if answer.status != wanted:
            raise BooksDiffer(f"{address} was answered with {answer.status}: {said[:300].decode(errors='replace')}")
        return json.loads(said)


def _form(fields: dict[str, str], photo: bytes) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="rx.jpg"\r\n'
    parts += [f"{head}Content-Type: image/jpeg\r\n\r\n".encode(), photo, f"\r\n--{BOUNDARY}--\r\n".encode()]
    return b"".join(parts)


def _photo(whose: str) -> bytes:
    """A small picture that nobody else has: the same one twice would be a duplicate."""
    image = Image.frombytes("L", (32, 24), Random(whose).randbytes(32 * 24)).resize((320, 240))
    stored = io.BytesIO()
    image.save(stored, "JPEG")
    return stored.getvalue()
