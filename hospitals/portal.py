"""The hospital's back office, mounted at /hospital/."""

from unfold.sites import UnfoldAdminSite

site = UnfoldAdminSite(name="hospital")
