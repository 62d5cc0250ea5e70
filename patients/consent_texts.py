"""The texts that people agree to. A new wording is a new version beside the old one, which stays to be proven."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from patients.states import ConsentCode


@dataclass(frozen=True, slots=True)
class ConsentText:
    code: ConsentCode
    version: int
    text: str
    text_zh: str

    @property
    def digest(self) -> str:
        """SHA-256 of both languages: what a record of consent points at."""
        return hashlib.sha256(f"{self.text}\n{self.text_zh}".encode()).hexdigest()


TEXTS: Final = (
    ConsentText(
        ConsentCode.PRIVACY,
        1,
        "The platform keeps your name, identity number, telephone number and address to work on your applications, for "
        "as long as the law asks. You may read, correct and delete them, and take this consent back at any time.",
        "平台为处理您的申请而保存您的姓名、证件号码、电话和地址，保存期限依法律规定。您可随时查阅、更正、删除，并可随时撤回本同意。",
    ),
    ConsentText(
        ConsentCode.HEALTH_DATA,
        1,
        "Your health data (diagnosis, prescriptions, examination results) are sensitive. They are shown only to the "
        "reviewers, the insurers of your policy and, as far as it must check them, the pharmacy that serves you. You "
        "may take this consent back at any time; without it an application cannot be worked on.",
        "您的健康信息（诊断、处方、检查结果）属于敏感个人信息，仅向审核人员、您保单的保险公司以及为您供药的药店在核验所需范围内展示。"
        "您可随时撤回本同意；撤回后申请将无法继续办理。",
    ),
    ConsentText(
        ConsentCode.CLAIM,
        1,
        "You charge the platform with filing the application with your insurer and with receiving the decision for "
        "you. What you hand in is true and complete as far as you know.",
        "您委托平台向您的保险公司提交申请并代为接收处理结果，并确认所提交内容在您所知范围内真实、完整。",
    ),
)
HELPER_MANDATE: Final = (
    "The person invited may see and do for you what you have ticked, until the day you set, under her own name. She "
    "can never receive money for you. You may end it at any time.",
    "被邀请人可在您设定的期限内，以其本人名义代您查看并办理您所勾选的事项，但不得代您收款。您可随时终止。",
)


@dataclass(frozen=True, slots=True)
class MandateText:
    version: int
    text: str
    text_zh: str


# Signed per application, with the largest amount at risk beside it. The last one is shown; all are kept to be proven.
MANDATE_TEXTS: Final = (
    MandateText(
        1,
        "You charge the platform with claiming from your insurer, and collecting, what it pays for this application. "
        "The platform lays that money out for you. If the insurer refuses because what you handed in was false or your "
        "policy was void, the platform may ask it back from you, up to the amount named here: by letter, with the "
        "clause, with time to object, in instalments and without interest.",
        "您委托平台就本次申请向您的保险公司提出理赔并代为收款，平台先行为您垫付该款项。若因您提交的材料虚假或保单无效而被拒赔，"
        "平台可在此处载明的金额范围内向您追偿：以书面通知并注明条款，您有异议期，可分期偿还，且不计利息。",
    ),
)
# What must be agreed to before health data are taken in, and before anything is filed.
FOR_UPLOAD: Final = (ConsentCode.PRIVACY, ConsentCode.HEALTH_DATA)
FOR_FILING: Final = (*FOR_UPLOAD, ConsentCode.CLAIM)


def text_current(code: ConsentCode) -> ConsentText:
    """The latest version of a text."""
    return max((text for text in TEXTS if text.code == code), key=lambda text: text.version)


def mandate_digest() -> str:
    return hashlib.sha256("\n".join(HELPER_MANDATE).encode()).hexdigest()
