"""The pre-review's bench, mounted at /review/."""

from prereview.portal.site import site

__all__ = ["site"]
