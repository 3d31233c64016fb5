"""Readiness checks over HTTP on loopback."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

TIMEOUT = 2.0
"""Seconds for an answer."""


def http_answers(url: str, body: bytes | None = None) -> str | None:
    """None if GET `url` answers 200 (and exactly `body`, if given); else what it answered or why it did not."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        text = answer.read(4096)
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {error}"
    finally:
        connection.close()
    if answer.status != 200:
        return f"{url}: HTTP {answer.status} {text.decode(errors='replace').strip()[:200]}".rstrip()
    if body is not None and text != body:
        return f"{url}: unexpected answer {text[:40]!r}"
    return None
