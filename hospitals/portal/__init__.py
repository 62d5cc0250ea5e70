"""The hospital's back office, mounted at /hospital/."""

from hospitals.portal.site import site

__all__ = ["site"]
