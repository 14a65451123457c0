"""Answers of web servers by the standard library: HTTPS, proxies, redirects, retries and time, all within bounds."""

from __future__ import annotations

import base64
import contextlib
import email.message
import http.client
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

from msgspec import Struct

from glibc_guard import __version__
from glibc_guard.urls import refused, shown

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
WORTH_A_RETRY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})  # RFC 9110, RFC 6585, RFC 8470
PIECE: Final = 64 * 1024

T = TypeVar("T")


class WebError(Exception):
    """What was asked for cannot be had; the message says why, without the query of the URL."""


class _AgainError(WebError):
    """The same, of a fault that may be gone soon."""

    def __init__(self, message: str, pause: float = 0.0) -> None:
        """Wait ``pause`` seconds at least."""
        super().__init__(message)
        self.pause = pause


class Patience(Struct, frozen=True):
    """How much a server may ask of the one who waits."""

    timeout: float = 30.0  # seconds for the head of an answer, and for each piece of its body
    least_rate: int = 16 * 1024  # bytes a second that an answer comes with at least, on average …
    grace: float = 60.0  # … after these seconds
    pauses: tuple[float, ...] = (0.5, 2.0, 8.0)  # seconds before each further attempt
    longest_pause: float = 60.0  # seconds that a server may ask for (Retry-After)
    redirects: int = 5


class Answer:
    """An answer whose body is read in pieces."""

    def __init__(
        self, url: str, response: http.client.HTTPResponse, connected: socket.socket, patience: Patience
    ) -> None:
        """Wrap ``response``, which came from ``url`` and comes over ``connected``."""
        self.url = url  # after redirects
        self.status = response.status
        self.headers: email.message.Message = response.headers
        self._response = response
        self._connected = connected
        self._patience = patience

    def pieces(self, maximum: int) -> Iterator[bytes]:
        """Yield the body; raises WebError where it has more than ``maximum`` bytes, is cut off or comes too slowly."""
        started, taken = time.monotonic(), 0
        while piece := self._piece():
            taken += len(piece)
            if taken > maximum:
                raise WebError(f"{shown(self.url)}: answers with more than {maximum:,} bytes")
            if time.monotonic() - started > self._patience.grace + taken / self._patience.least_rate:
                raise WebError(f"{shown(self.url)}: answers too slowly: {taken:,} bytes so far")
            yield piece
        length = self.headers.get("Content-Length", "")
        if length.isdecimal() and taken < int(length):
            raise _AgainError(f"{shown(self.url)}: the answer ends after {taken:,} of {length} bytes")

    def body(self, maximum: int) -> bytes:
        """Return the whole body."""
        return b"".join(self.pieces(maximum))

    def is_finished(self) -> bool:
        """Tell whether the body was read to its end, so that the connection can be used again."""
        return self._response.isclosed()

    def _piece(self) -> bytes:
        with _within(self._patience.timeout, self._connected):
            return self._response.read(PIECE)


class Web:
    """Asks web servers; keeps one connection open to the latest. For one thread at a time."""

    def __init__(self, patience: Patience | None = None, proxies: Mapping[str, str] | None = None) -> None:
        """Take the proxies of the environment unless ``proxies`` (scheme → URL) are given."""
        self._patience = patience or Patience()
        self._proxies = urllib.request.getproxies() if proxies is None else proxies
        self._connection: tuple[tuple[str, str], http.client.HTTPConnection] | None = None

    def get(self, url: str, headers: Mapping[str, str], take: Callable[[Answer], T]) -> T:
        """Return what ``take`` makes of the answer, which has any status that is neither a redirect nor passes.

        Where the connection breaks while it reads, all is done again: ``take`` may be called several times.

        Raises:
            WebError: there is no answer within patience, or the URL, or one that it leads to, is refused.
        """
        for pause in self._patience.pauses:
            try:
                return self._tried(url, headers, take)
            except _AgainError as error:  # noqa: PERF203  # that is what the loop is for
                time.sleep(max(pause, min(error.pause, self._patience.longest_pause)))
        return self._tried(url, headers, take)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None

    def _tried(self, url: str, headers: Mapping[str, str], take: Callable[[Answer], T]) -> T:
        try:
            return self._followed(url, headers, take)
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise WebError(f"{shown(url)}: its certificate is not to be trusted: {error.verify_message}") from error
        except (_AgainError, OSError, http.client.HTTPException) as error:
            self.close()
            if isinstance(error, _AgainError):
                raise
            raise _AgainError(f"{shown(url)}: {_reason(error)}") from error

    def _followed(self, url: str, headers: Mapping[str, str], take: Callable[[Answer], T]) -> T:
        place = url
        for _ in range(self._patience.redirects + 1):
            refusal = refused(place)
            if refusal is not None:
                raise WebError(f"{shown(url)}: leads to {shown(place)}: {refusal}" if place != url else refusal)
            answer = self._asked(place, headers if _origin(place) == _origin(url) else _without_key(headers))
            if answer.status in WORTH_A_RETRY:
                raise _AgainError(f"{shown(place)}: the server answers {answer.status}", _retry_after(answer.headers))
            if answer.status not in REDIRECTS:
                try:
                    return take(answer)
                finally:
                    self._finish(answer)
            self.close()
            following = _joined(place, answer.headers.get("Location", ""))
            if place.startswith("https:") and not following.startswith("https:"):
                raise WebError(f"{shown(url)}: leads to {shown(following)}, which is not https")
            place = following
        raise WebError(f"{shown(url)}: leads to more than {self._patience.redirects} other URLs")

    def _asked(self, url: str, headers: Mapping[str, str]) -> Answer:
        again = self._connection is not None
        try:
            return self._said(url, headers)
        except (ConnectionResetError, BrokenPipeError):  # a server may close a connection that is kept open
            if not again:
                raise
        self.close()
        return self._said(url, headers)

    def _said(self, url: str, headers: Mapping[str, str]) -> Answer:
        parts = urllib.parse.urlsplit(url)
        connection, connected = self._connected(parts)
        given = {"User-Agent": f"glibc-guard/{__version__}", "Accept-Encoding": "identity", **headers}
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        with _within(self._patience.timeout, connected):
            connection.request("GET", target, headers=given)
            response = connection.getresponse()
        return Answer(url, response, connected, self._patience)

    def _connected(self, parts: urllib.parse.SplitResult) -> tuple[http.client.HTTPConnection, socket.socket]:
        origin = (parts.scheme, parts.netloc)
        if self._connection is None or self._connection[0] != origin:
            self.close()
            self._connection = (origin, self._opened(parts))
        connection = self._connection[1]
        if connection.sock is None:
            connection.connect()
        return connection, connection.sock

    def _opened(self, parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
        host, timeout = parts.hostname or "", self._patience.timeout
        if parts.scheme == "http":  # the machine itself
            return http.client.HTTPConnection(host, parts.port, timeout=timeout)
        proxy = None if urllib.request.proxy_bypass(host) else self._proxies.get("https")
        if not proxy:
            return http.client.HTTPSConnection(host, parts.port, timeout=timeout)
        place = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        through = http.client.HTTPSConnection(place.hostname or "", place.port or 3128, timeout=timeout)
        through.set_tunnel(host, parts.port or 443, _authorization(place))
        return through

    def _finish(self, answer: Answer) -> None:
        # What is left of a body would be taken for the beginning of the next answer.
        if not answer.is_finished():
            self.close()


@contextlib.contextmanager
def _within(seconds: float, connected: socket.socket) -> Iterator[None]:
    """Cut the connection where all of this takes longer: a timeout of a socket begins anew with every byte.

    Raises:
        TimeoutError: it was cut.
    """
    late = threading.Event()

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)  # below TLS, whose own would take part in the reading

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if late.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError


def _origin(url: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc


def _without_key(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "Authorization"}


def _joined(place: str, location: str) -> str:
    try:
        return urllib.parse.urljoin(place, location)
    except ValueError as error:
        raise WebError(f"{shown(place)}: leads to what is no URL") from error


def _retry_after(headers: Mapping[str, str] | email.message.Message) -> float:
    asked = headers.get("Retry-After") or ""
    return float(asked) if asked.isdecimal() and len(asked) < 6 else 0.0


def _authorization(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    given = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(given.encode()).decode()}"}


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server does not answer in time"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer is cut off"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed the connection without an answer"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
