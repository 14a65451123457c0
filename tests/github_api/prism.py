"""Prism as a proxy in front of the stand-in: a second judge of each request and answer, by the same description."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.conftest import tool
from github_api import description
from github_api.server import GitHubApi, Listener, serving
from node_tools import node_modules

LONGEST_START = 60.0  # seconds


class Prism:
    """A running Prism, and the stand-in behind it, which each test gives another state."""

    def __init__(self, url: str, listener: Listener) -> None:
        self.url = url
        self._listener = listener

    def serve(self, api: GitHubApi) -> None:
        """Puts ``api`` behind the proxy."""
        self._listener.serve(api)
        api.url = self.url


@contextmanager
def running(folder: Path) -> Iterator[Prism]:
    """Starts Prism; what is not as described it answers with an error instead of passing it on."""
    document = folder / "api.json"
    document.write_text(json.dumps(description.part()), encoding="utf-8")
    program = node_modules() / "@stoplight" / "prism-cli" / "dist" / "index.js"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving(GitHubApi()) as listener, (folder / "log").open("wb") as log:
        upstream = listener.url
        command = [tool("node"), program, "proxy", document, upstream, "--port", str(port), "--errors"]
        process = subprocess.Popen([*map(str, command)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            _await(url, process, folder / "log")
            yield Prism(url, listener)
        finally:
            process.terminate()
            process.wait(10)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + LONGEST_START
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5)  # noqa: S310 - loopback
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"Prism does not answer: {log.read_text(encoding='utf-8')}")
