"""A web server on this machine that gives a folder by HTTP range requests, and counts what it gives."""

from __future__ import annotations

import mimetypes
import re
import ssl
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
    redirects: dict[str, str] = field(default_factory=dict)  # paths, and where each leads to


class _Server(ThreadingHTTPServer):
    """What is served, and what was."""

    def __init__(self, folder: Path, served: Served, *, ranges: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.served = served
        self.ranges = ranges


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        served, folder = self.server.served, self.server.folder
        asked_for = urllib.parse.unquote(self.path.partition("?")[0])
        if asked_for in served.redirects:
            self._head(302, 0, Location=served.redirects[asked_for])
            return
        path = folder / served.pages.get(asked_for, asked_for.lstrip("/"))
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            self.send_error(404)
            return
        asked = self.headers.get("Range", "") if self.server.ranges else ""
        served.ranges.append(asked)
        self._give(path, asked)

    def _give(self, path: Path, asked: str) -> None:
        size = path.stat().st_size
        start, end = 0, size
        found = RANGE.fullmatch(asked)
        if found:
            start, end = int(found[1]), min(int(found[2]) + 1, size)
        if found and start >= size:
            self._head(416, 0, Content_Range=f"bytes */{size}")
            return
        headers = {"Content_Range": f"bytes {start}-{end - 1}/{size}"} if found else {}
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        etag = f'"{path.stat().st_mtime_ns}-{size}"'
        self._head(206 if found else 200, end - start, Content_Type=kind, ETag=etag, **headers)
        with path.open("rb") as file:
            file.seek(start)
            while start < end and (piece := file.read(min(STEP, end - start))):
                start += len(piece)
                self.server.served.bytes += len(piece)
                self.wfile.write(piece)

    def _head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path, *, ranges: bool = True, tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Serve ``folder`` as long as the context lasts; without ``ranges`` each answer is the whole file."""
    served = Served("")
    with _Server(folder, served, ranges=ranges) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        served.address = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
