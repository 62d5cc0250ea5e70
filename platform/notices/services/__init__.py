"""The only writers of notices, deliveries and preferences."""

from notices.services.notices import notice_offer, notice_read, notices_read_all
from notices.services.preferences import PreferenceDraft, preference_set

__all__ = ["PreferenceDraft", "notice_offer", "notice_read", "notices_read_all", "preference_set"]
