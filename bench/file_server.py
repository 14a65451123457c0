"""A web server on this machine that gives a folder by HTTP range requests, and counts what it gives."""

from __future__ import annotations

import mimetypes
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

STEP: Final = 256 * 1024
RANGE: Final = re.compile(r"bytes=([0-9]+)-([0-9]+)")


@dataclass
class Served:
    """What a server gave so far."""

    address: str  # http://127.0.0.1:PORT
    bytes: int = 0  # of bodies
    ranges: list[str] = field(default_factory=list)  # the header of each request; empty for the whole
    pages: dict[str, str] = field(default_factory=dict)  # paths that have no file name, and the file for each


@contextmanager
def serving(folder: Path, *, ranges: bool = True) -> Iterator[Served]:
    """Serve ``folder`` as long as the context lasts; without ``ranges`` each answer is the whole file."""
    served = Served("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked_for = urllib.parse.unquote(self.path.partition("?")[0])
            path = folder / served.pages.get(asked_for, asked_for.lstrip("/"))
            if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
                self.send_error(404)
                return
            asked = self.headers.get("Range", "") if ranges else ""
            served.ranges.append(asked)
            self._give(path, asked)

        def _give(self, path: Path, asked: str) -> None:
            size = path.stat().st_size
            start, end = 0, size
            found = RANGE.fullmatch(asked)
            if found:
                start, end = int(found[1]), min(int(found[2]) + 1, size)
            if found and start >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if found else 200)
            if found:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.send_header("Content-Length", str(end - start))
            self.send_header("Content-Type", mimetypes.guess_type(path.name)[0] or "application/octet-stream")
            self.send_header("ETag", f'"{path.stat().st_mtime_ns}-{size}"')
            self.end_headers()
            with path.open("rb") as file:
                file.seek(start)
                while start < end and (piece := file.read(min(STEP, end - start))):
                    start += len(piece)
                    served.bytes += len(piece)
                    self.wfile.write(piece)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
