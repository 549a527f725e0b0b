"""HTTP headers of every answer that restrict what the page may load and who may embed it."""

from typing import TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes]]
CONTENT_SECURITY_POLICY = (  # scripts, styles and requests only from and to this server
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
