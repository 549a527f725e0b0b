"""Define the HTTP headers that protect the page; the server adds them to every answer.

They tell the browser to load scripts, styles and data only from this server, and to show the page in no frame
of another site.
"""

from typing import TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes]]  # names in lower case and values
CONTENT_SECURITY_POLICY = (  # allows scripts, styles and requests only from and to this server
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS: Headers = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
