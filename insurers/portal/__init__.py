"""The insurer's portal, mounted at /insurer/."""

from insurers.portal.site import site

__all__ = ["site"]
