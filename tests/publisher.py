"""A web server of the layout of those that publish genomes and knowledge, for tests of what fetches from them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Site:
    """What the server gives, and how it misbehaves: `cut` bytes of each answer, then the connection closes."""

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    etag: str = '"one"'
    ranges: bool = True


@contextmanager
def publisher() -> Iterator[Site]:
    """A site that serves until the block ends."""
    found = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            found.asked.append((self.path, wanted))
            data = found.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            start = 0
            if wanted and found.ranges and self.headers.get("If-Range") == found.etag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(data):
                    self.send_error(416)
                    return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.send_header("ETag", found.etag)
            self.send_header("Last-Modified", formatdate(1_700_000_000, usegmt=True))
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            whole = data[start:]
            self.wfile.write(whole[: found.cut.pop(0)] if found.cut else whole)
            self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    found.base = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    server.server_close()
