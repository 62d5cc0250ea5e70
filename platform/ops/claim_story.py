"""The second story: specialty drugs from a patient's draft to the insurer's confirmed decision, by the real doors.

A patient has his telephone, reviewers and clerks have their pages, one insurer has a system of its own. Only the
comparison at the end looks into our database.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from claims.selectors.claims import claim_by_no
from core.money import Money
from insurers.selectors.docking import inbound_of
from ops.doubts import StoryFailed
from ops.services.specialty_claims import KINDS, demo_paper
from ops.specialty_world import DRUGS, INSURERS
from ops.visitors import SECONDS, Patient, Staff, outbox, until
from registry.selectors.benefits import benefit_moves_of
from registry.states import BenefitKind, BenefitMoveKind, DocumentKind

Say = Callable[[str], None]
# Cheap enough for one clerk; beyond one name; beyond what the delegated product binds its insurer to.
CHEAP, DEAR, DEAREST = "ADALI-40", "IBRUT-140", "TAFAM-61"
INDICATION = {code: icd10[0] for code, _, _, _, _, _, _, icd10, _ in DRUGS}
PRICE = {code: price for code, _, _, _, _, price, _, _, _ in DRUGS}
SECRET_WORDS = {*(word for drug in DRUGS for word in drug[1:4]), *(name for one in INSURERS for name in one)}


class ClaimStory:
    def __init__(self, demo: Mapping[str, Any], say: Say) -> None:
        self.demo, self.say = demo, say
        self.base_url = str(demo["base_url"])
        self.control_url = str(demo["claim_insurers"][0]["control_url"])
        self.free = {product: _free(demo, product) for product in ("HUIMIN-A", "CARE-B", "REFUND-C")}
        self.patients: list[Patient] = []
        self.numbers: list[str] = []
        self.papers = 0

    def play(self) -> None:
        """Play all chapters. Raises StoryFailed at the first thing that is not as told."""
        names = ("reviewer", "clerk-a", "chief-a", "clerk-b", "chief-b")
        logins = {one["username"]: one for one in self.demo["logins"]}
        self.staff = {name: Staff(self.base_url, logins[name]) for name in names}
        for one in self.staff.values():
            one.sign_in()
        chapters = (self.materials, self.renewal, self.appeal, self.delegated, self.docked, self.compare)
        for number, chapter in enumerate(chapters, 9):
            self.say(f"{number}. {chapter.__doc__}")
            chapter()
        self.say("Every claim stands where its patient, its insurer and our books say.")

    # Chapters -----------------------------------------------------------------------------------------------------

    def materials(self) -> None:
        """A claim with a missing paper: asked for once, handed in, recommended, confirmed by two names"""
        patient, claim = self._file("CARE-B", DEAR, look_at_checklist=True)
        reviewer, no = self.staff["reviewer"], claim["claim_no"]
        self._state(patient, claim, "IN_PREREVIEW")
        reviewer.press(f"claims/{claim['id']}/", f"claims/{claim['id']}/hold/", hold="take")
        wording = reviewer.fill(f"claims/{claim['id']}/ask/", kind_GENE_TEST="missing")
        reviewer.again(wording, f"claims/{claim['id']}/ask/", holding="message")
        told = self._state(patient, claim, "MATERIALS_REQUESTED")
        if "gene test" not in told["materials_requests"][0]["message"].lower():
            raise StoryFailed(f"{no}: the patient was not told what is missing")
        if told["next_step"]["whose"] != "PATIENT":
            raise StoryFailed(f"{no}: it should be the patient's turn, and is {told['next_step']}")
        self.say(f"   {no} the patient reads: {told['materials_requests'][0]['message'].splitlines()[0]}")
        self._upload(patient, claim, DocumentKind.GENE_TEST)
        patient.post(f"claims/{claim['id']}/answer", {"missing_because": ""})
        self._pass(patient, claim)
        self._approve(patient, claim, "b")
        self.authorised = patient

    def renewal(self) -> None:
        """The next cycle in one step: a new prescription and nothing else"""
        patient = self.authorised
        [running] = patient.get("authorisations")["items"]
        if (running["state"], running["cycles_used"]) != ("ACTIVE", 1):
            raise StoryFailed(f"the confirmed claim should have authorised further cycles: {running}")
        today = date.today()  # noqa: DTZ011 - the patient's own calendar, at home
        self.papers += 1
        paper = {
            "source": "演示医院",
            "number": f"RX-{patient.person_id[-8:]}-{self.papers}",
            "doctor": "演示医生",
            "issued_on": str(today),
            "valid_until": str(today + timedelta(days=30)),
        }
        content = demo_paper(f"PRESCRIPTION {self.papers} {patient.person_id}")
        files = {"file": ("prescription.png", content, "image/png")}
        claim = patient.post(f"authorisations/{running['id']}/renew", paper, status=201, files=files)
        self.numbers.append(claim["claim_no"])
        if (claim["kind"], claim["cycle_no"]) != ("RENEWAL", 2):
            raise StoryFailed(f"expected the second cycle; was told {claim}")
        self.say(f"   {claim['claim_no']} cycle 2 of {running['cycles']} filed with one photograph")
        self._pass(patient, claim)
        self._approve(patient, claim, "b")
        [running] = patient.get("authorisations")["items"]
        if running["cycles_used"] != 2:
            raise StoryFailed(f"two cycles are used, and the authorisation says {running}")

    def appeal(self) -> None:
        """A refusal that quotes its clause, and an appeal that wins before another person"""
        patient, claim = self._file("CARE-B", CHEAP)
        self._pass(patient, claim)
        words = {"explanation": "The papers do not show the dose.", "reason_code": ""}
        clerk, chief = self.staff["clerk-b"], self.staff["chief-b"]
        form = next(one for one in clerk.page(f"claims/{claim['id']}/decline/") if "version" in one)
        clerk.fill(f"claims/{claim['id']}/decline/", **words | {"reason_code": form["reason_code"]})
        told = self._state(patient, claim, "DECLINED")
        decision = told["decisions"][-1]
        if not decision["clause"] or decision["clause_zh"] == decision["clause"] or decision["terms_number"] < 1:
            raise StoryFailed(f"a refusal quotes clause and list version: {decision}")
        self.say(f"   {claim['claim_no']} declined: {decision['clause']} (terms version {decision['terms_number']})")
        reason = {"reason": "The dose stands on page two of the doctor's report."}
        patient.post(f"claims/{claim['id']}/appeal", reason)
        self._state(patient, claim, "APPEALED")
        self._refused_to(clerk, claim)
        chief.fill(f"claims/{claim['id']}/appeal/", verdict="reopen", explanation="The dose is there.")
        self._state(patient, claim, "IN_CONFIRMATION")
        self._approve(patient, claim, "b")

    def delegated(self) -> None:
        """A product whose insurer is bound by the pre-review, up to a sum"""
        patient, claim = self._file("HUIMIN-A", CHEAP)
        self._pass(patient, claim)
        while (told := self._state(patient, claim, "CONFIRMED", "IN_CONFIRMATION"))["state"] != "CONFIRMED":
            self._approve(patient, claim, "a", "drawn at random for a second look, so its insurer decided:")
            patient, claim = self._file("HUIMIN-A", CHEAP)
            self._pass(patient, claim)
        self.say(f"   {claim['claim_no']} confirmed by the pre-review alone: {Money(told['confirmed_minor'])}")
        patient, claim = self._file("HUIMIN-A", DEAREST)
        self._pass(patient, claim)
        self._state(patient, claim, "IN_CONFIRMATION")
        self._approve(patient, claim, "a", "above the sum, so its insurer decided:")

    def docked(self) -> None:
        """An insurer whose own system decides, by messages that are verified and count once"""
        for ending, chapter in (
            ("9102", self._half),
            ("9103", self._asks),
            ("9106", self._twice),
            ("9104", self._withdrawn),
        ):
            facts = next(one for one in self.free["REFUND-C"] if one["policy_no"].endswith(ending))
            chapter(*self._file("REFUND-C", CHEAP, facts=facts))

    def compare(self) -> None:
        """What was told against what is stored, what is drawn on the policies, and what left the house"""
        told = {one["claim_no"]: one for one in self._control("claims")["claims"]}
        for no in self.numbers:
            claim = claim_by_no(claim_no=no)
            if claim is None:
                raise StoryFailed(f"{no} is not stored")
            held, used = _drawn(claim.pk)
            confirmed = claim.confirmed_minor or 0
            if held or used != confirmed:
                raise StoryFailed(f"{no}: confirmed {confirmed}; of the policy {used} is used and {held} held")
            if no in told and claim.state != "WITHDRAWN":
                self._compare_docked(no, confirmed, told[no])
        self.say(
            f"   {len(self.numbers)} claims: what is confirmed is what is drawn on the policy, and nothing is held"
        )
        leaks = [text for patient in self.patients for text in outbox(patient.facts["phone"]) if _leaks(text)]
        if leaks:
            raise StoryFailed(f"a message outside the app says too much: {leaks[0]}")
        sent = sum(len(outbox(patient.facts["phone"])) for patient in self.patients)
        self.say(f"   {sent} messages left the house; none names a drug, an insurer or an amount")

    # Steps --------------------------------------------------------------------------------------------------------

    def _file(
        self, product: str, drug: str, *, facts: Mapping[str, str] | None = None, look_at_checklist: bool = False
    ) -> tuple[Patient, dict[str, Any]]:
        """Sign in, draft, hand in the papers of the checklist, file."""
        patient = self._patient(product, facts)
        [policy, *_] = patient.get("policies")["items"]
        line = {"quantity": 1, "unit_price_minor": PRICE[drug], "basic_minor": PRICE[drug] * 4 // 10}
        draft = {
            "person_id": patient.person_id,
            "policy_id": policy["id"],
            "drug_code": drug,
            "lines": [line],
            "icd10": f"{INDICATION[drug]}.9",
            "diagnosed_on": str(date.today() - timedelta(days=90)),  # noqa: DTZ011
            "days_of_supply": 30,
        }
        claim = patient.post("claims", draft, status=201)
        self.numbers.append(claim["claim_no"])
        if look_at_checklist:
            needed = patient.get(f"claims/{claim['id']}/readiness")["materials"]
            self.say(
                f"   {claim['claim_no']} before it is filed: {', '.join(one['kind'] for one in needed)} are needed"
            )
            refusal = patient.post(f"claims/{claim['id']}/submit", status=422)
            if refusal["code"] != "claim_not_ready" or len(refusal["faults"]) < len(needed):
                raise StoryFailed(f"everything that is missing is told at once: {refusal}")
        for kind in KINDS:
            self._upload(patient, claim, kind)
        return patient, patient.post(f"claims/{claim['id']}/submit")

    def _patient(self, product: str, facts: Mapping[str, str] | None) -> Patient:
        """One of the product's people who has never claimed anything."""
        people = self.free[product]
        while people:
            one = people.pop(people.index(dict(facts)) if facts is not None else 0)
            patient = Patient(self.base_url, one)
            patient.sign_in()
            if not patient.get("claims")["items"]:
                self.patients.append(patient)
                return patient
        raise StoryFailed(f"nobody of {product} is left without a claim: play on a fresh instance")

    def _upload(self, patient: Patient, claim: Mapping[str, Any], kind: str) -> None:
        self.papers += 1
        content = demo_paper(f"{kind} {self.papers} {claim['claim_no']}")
        entered = {"kind": str(kind), "issued_on": str(date.today())}  # noqa: DTZ011
        files = {"file": (f"{kind}.png", content, "image/png")}
        patient.post(f"claims/{claim['id']}/documents", entered, status=201, files=files)

    def _state(self, patient: Patient, claim: Mapping[str, Any], *wanted: str) -> dict[str, Any]:
        """The claim as its patient sees it, once it has come to that state."""
        told: dict[str, Any] = {}

        def there() -> bool:
            told.update(patient.get(f"claims/{claim['id']}"))
            return told["state"] in wanted

        until(there, what=f"{claim['claim_no']} in {' or '.join(wanted)}")
        return told

    def _pass(self, patient: Patient, claim: Mapping[str, Any]) -> None:
        """The reviewer recommends the whole payable."""
        self._state(patient, claim, "IN_PREREVIEW")
        self.staff["reviewer"].fill(f"claims/{claim['id']}/pass/")

    def _approve(self, patient: Patient, claim: Mapping[str, Any], letter: str, why: str = "confirmed:") -> None:
        """The insurer's clerk approves, and a colleague confirms where it is above one name."""
        self._state(patient, claim, "IN_CONFIRMATION")
        clerk, chief = self.staff[f"clerk-{letter}"], self.staff[f"chief-{letter}"]
        clerk.fill(f"claims/{claim['id']}/approve/")
        seconds = [f"waiting/{one}/" for one in _waiting(chief.text(""))]
        for address in seconds:
            chief.press(address, address, decision="confirm")
        told = self._state(patient, claim, "CONFIRMED")
        if told["confirmed_minor"] != told["payable_minor"]:
            raise StoryFailed(f"{claim['claim_no']}: payable {told['payable_minor']}, told {told['confirmed_minor']}")
        names = "two names" if seconds else "one name"
        self.say(f"   {claim['claim_no']} {why} {Money(told['confirmed_minor'])} by {names}")

    def _refused_to(self, clerk: Staff, claim: Mapping[str, Any]) -> None:
        """Whoever took part in the decision does not answer the appeal."""
        try:
            clerk.fill(f"claims/{claim['id']}/appeal/", verdict="reopen", explanation="I was wrong.")
        except StoryFailed as refusal:
            if "refused" not in str(refusal):
                raise
            return
        raise StoryFailed(f"{clerk.username} answered an appeal against his own decision")

    def _half(self, patient: Patient, claim: dict[str, Any]) -> None:
        self._pass(patient, claim)
        told = self._state(patient, claim, "PARTLY_CONFIRMED")
        if told["confirmed_minor"] != told["payable_minor"] // 2 or not told["decisions"][-1]["clause"]:
            raise StoryFailed(f"{claim['claim_no']}: half of it and its clause were told: {told}")
        self.say(f"   {claim['claim_no']} its system approves half: {Money(told['confirmed_minor'])}")

    def _asks(self, patient: Patient, claim: dict[str, Any]) -> None:
        self._pass(patient, claim)
        self._state(patient, claim, "MATERIALS_REQUESTED")
        self._upload(patient, claim, DocumentKind.PATHOLOGY)
        patient.post(f"claims/{claim['id']}/answer", {"missing_because": ""})
        told = self._state(patient, claim, "CONFIRMED")
        self.say(f"   {claim['claim_no']} its system asks for a paper, then approves {Money(told['confirmed_minor'])}")

    def _twice(self, patient: Patient, claim: dict[str, Any]) -> None:
        self._pass(patient, claim)
        told = self._state(patient, claim, "CONFIRMED")
        outcomes = until(lambda: _outcomes(claim, 2), what="the second message")
        if sorted(outcomes) != ["already_decided", "applied"]:
            raise StoryFailed(f"{claim['claim_no']}: a decision told twice counts once: {outcomes}")
        self.say(f"   {claim['claim_no']} its system tells it twice: {Money(told['confirmed_minor'])} once")

    def _withdrawn(self, patient: Patient, claim: dict[str, Any]) -> None:
        self._pass(patient, claim)
        self._state(patient, claim, "IN_CONFIRMATION")
        pushed = until(lambda: self._pushed(claim), what="the claim at its insurer")
        patient.post(f"claims/{claim['id']}/withdraw")
        self._control("decide", {"push_id": pushed})
        outcomes = until(lambda: _outcomes(claim, 1), what="the late decision")
        self._state(patient, claim, "WITHDRAWN")
        if outcomes != ["claim_withdrawn"]:
            raise StoryFailed(f"{claim['claim_no']}: a decision for a withdrawn claim changes nothing: {outcomes}")
        self.say(
            f"   {claim['claim_no']} withdrawn before its system decided: the decision is answered, nothing changes"
        )

    def _pushed(self, claim: Mapping[str, Any]) -> str:
        found = [one for one in self._control("claims")["claims"] if one["claim_no"] == claim["claim_no"]]
        return str(found[-1]["push_id"]) if found else ""

    def _compare_docked(self, no: str, confirmed: int, told: Mapping[str, Any]) -> None:
        amounts = [one["told"].get("amount_minor") for one in told["decisions"]]
        if confirmed not in amounts:
            raise StoryFailed(f"{no}: its insurer told {amounts}, and {confirmed} is stored")

    def _control(self, what: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the demo's own sandbox
            f"{self.control_url}/{what}", data=None if body is None else json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return json.load(answer)


def _free(demo: Mapping[str, Any], product: str) -> list[dict[str, str]]:
    return [one for one in demo["patients"] if one["product"] == product]


def _drawn(claim_id: UUID) -> tuple[int, int]:
    """Of the sum insured: what the claim holds, and what it has used; minor units."""
    sums = dict.fromkeys(BenefitMoveKind, 0)
    for move in benefit_moves_of(cause_id=claim_id):
        if move.account.kind == BenefitKind.SUM_INSURED:
            sums[BenefitMoveKind(move.kind)] += move.amount_minor
    used = sums[BenefitMoveKind.USE] - sums[BenefitMoveKind.GIVE_BACK]
    return sums[BenefitMoveKind.HOLD] - sums[BenefitMoveKind.RELEASE] - sums[BenefitMoveKind.USE], used


def _outcomes(claim: Mapping[str, Any], least: int) -> list[str]:
    found = [one.outcome for one in inbound_of(claim_no=claim["claim_no"])]
    return found if len(found) >= least else []


def _waiting(html: str) -> Iterator[str]:
    """What waits for a second name, by the links of the queue."""
    seen = set()
    for part in html.split("/waiting/")[1:]:
        name = part.partition("/")[0]
        if name not in seen:
            seen.add(name)
            yield name


def _leaks(text: str) -> bool:
    return any(word.lower() in text.lower() for word in SECRET_WORDS) or "¥" in text or "CNY" in text
