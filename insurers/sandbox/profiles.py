"""What kinds of insurer the sandbox can be, and which persons it knows: two tables, no behaviour."""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Profile:
    """The promises one kind of insurer keeps. A promise that is False here is really not kept."""

    can_query_by_msgid: bool = True
    settle_idempotent: bool = True
    reverse_idempotent: bool = True
    reverse_unknown_ok: bool = True
    blocks_late_original: bool = True
    # Such an insurer never says "not found" about a message that it has read and not yet worked: it says "running".
    not_found_is_final: bool = True
    max_processing_seconds: float = 1.0
    accept_window_seconds: float = 2.0
    # Without a limit when None.
    cancel_window_seconds: int | None = None
    # Refuses at the commit what is older than its `not_after`.
    honours_not_after: bool = True
    answers: bool = True


PROFILES = MappingProxyType(
    {
        "all_capabilities": Profile(),
        "nhsa_like": Profile(
            can_query_by_msgid=False,
            settle_idempotent=False,
            blocks_late_original=False,
            not_found_is_final=False,
            cancel_window_seconds=31 * 86_400,
        ),
        "no_empty_cancel": Profile(reverse_unknown_ok=False, blocks_late_original=False),
        "late_original": Profile(blocks_late_original=False, not_found_is_final=False, honours_not_after=False),
        "never_answers": Profile(
            can_query_by_msgid=False,
            settle_idempotent=False,
            reverse_idempotent=False,
            reverse_unknown_ok=False,
            blocks_late_original=False,
            not_found_is_final=False,
            answers=False,
        ),
    }
)

ACCOUNT_PAYERS = ("own_account", "family_account")
HOSPITAL_BORNE = "hospital_borne"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happens to a person's bill: whole percent per payer (cash is the rest), or a refusal."""

    percents: tuple[tuple[str, int], ...] = ()
    refusal: tuple[str, str] | None = None
    covered: bool = True


DEFAULT_OUTCOME = Outcome((("basic_fund", 80),))

# By the last four characters of the person's document number.
OUTCOMES = MappingProxyType(
    {
        "9001": Outcome(refusal=("not_insured", "The person is not insured here."), covered=False),
        "9002": Outcome(refusal=("account_frozen", "The person's account is frozen.")),
        "9003": Outcome(),
        "9004": Outcome((("basic_fund", 50), ("serious_illness", 20), ("own_account", 10))),
        "9005": Outcome((("basic_fund", 80), (HOSPITAL_BORNE, 5))),
        "9006": Outcome(refusal=("cap_reached", "The yearly cap of the person is used up.")),
        "9007": Outcome((("basic_fund", 50), ("family_account", 30))),
        "9008": Outcome((("basic_fund", 100),)),
        "9009": Outcome((("basic_fund", 60), ("civil_servant", 10), ("assistance", 10))),
    }
)


@dataclass(frozen=True, slots=True)
class ClaimOutcome:
    """What this insurer decides on a pre-reviewed claim. Without `decision` it never decides.

    `percent` is of the recommended amount. `sends` is how its decision travels: once, twice, or twice with other words.
    """

    decision: str | None = "approve"
    percent: int = 100
    reason_code: str = ""
    clause: str = ""
    clause_zh: str = ""
    explanation: str = ""
    refusal: tuple[str, str] | None = None
    sends: str = "once"


DEFAULT_CLAIM_OUTCOME = ClaimOutcome()
# By the last four characters of the person's document number or, where that names none, of the policy number.
CLAIM_OUTCOMES = MappingProxyType(
    {
        "9101": ClaimOutcome(
            "decline",
            0,
            "not_covered",
            "Article 6 (2): treatment outside the listed indications is not paid.",
            "第六条第二款：超出约定适应症的治疗不予赔付。",
            "The treatment is outside what this cover pays for.",
        ),
        "9102": ClaimOutcome(
            "approve_partly",
            50,
            "partly_covered",
            "Article 9: of a second line of treatment half is paid.",
            "第九条：二线治疗按百分之五十赔付。",
            "Half of it is paid under this cover.",
        ),
        "9103": ClaimOutcome("need_materials"),
        "9104": ClaimOutcome(None),
        "9105": ClaimOutcome(refusal=("unknown_policy", "No such policy is kept here.")),
        "9106": ClaimOutcome(sends="twice"),
        "9107": ClaimOutcome(sends="twice_other"),
    }
)


def claim_outcome_of(*, id_no: str, policy_no: str) -> ClaimOutcome:
    """The outcome that the table holds for this person, else for this policy."""
    return CLAIM_OUTCOMES.get(id_no[-4:]) or CLAIM_OUTCOMES.get(policy_no[-4:], DEFAULT_CLAIM_OUTCOME)


@dataclass(frozen=True, slots=True)
class Split:
    """Who pays how much of a total, in minor units: total = fund + account + hospital + cash."""

    fund_minor: int
    account_minor: int
    hospital_minor: int
    cash_minor: int
    shares: tuple[tuple[str, int], ...]


def outcome_of(id_no: str) -> Outcome:
    """The outcome that the table holds for this document number."""
    return OUTCOMES.get(id_no[-4:], DEFAULT_OUTCOME)


def split(total_minor: int, outcome: Outcome) -> Split:
    """Divides a total; every part is rounded down to the minor unit, the rest is cash."""
    parts = [(payer, total_minor * percent // 100) for payer, percent in outcome.percents]
    hospital_minor = sum(amount for payer, amount in parts if payer == HOSPITAL_BORNE)
    account_minor = sum(amount for payer, amount in parts if payer in ACCOUNT_PAYERS)
    paid_minor = sum(amount for _, amount in parts)
    return Split(
        fund_minor=paid_minor - account_minor - hospital_minor,
        account_minor=account_minor,
        hospital_minor=hospital_minor,
        cash_minor=total_minor - paid_minor,
        shares=tuple((payer, amount) for payer, amount in parts if payer != HOSPITAL_BORNE and amount),
    )
