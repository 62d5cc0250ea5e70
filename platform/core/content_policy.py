"""Headers of a page that stands alone: one style of its own, no script, nothing from anywhere, framed by nobody."""

from __future__ import annotations

import base64
import hashlib


def lone_page_headers(style: str) -> dict[str, str]:
    """For a page whose only resource is this `<style>`, character by character."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
    }
