"""Requests to servers that are not trusted: where they may lead, and how long they may keep one waiting."""

from __future__ import annotations

import ipaddress
import socket
import string
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import SplitResult, quote, urljoin, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from pcqtool.errors import CorpusError

MOST_REDIRECTS = 10
REDIRECTS = {301, 302, 303, 307, 308}
LOOK_EVERY_S = 1.0


class Client:
    """Opens addresses over http and https; it knows no ftp, no file, and follows no redirect to a foreign host.

    Args:
        hosts: other hosts to which an address may lead.
        timeout_s: without a single byte.
    """

    def __init__(self, hosts: Collection[str], timeout_s: float) -> None:
        self._hosts = {host.lower() for host in hosts}
        self._timeout_s = timeout_s
        self._sockets: list[socket.socket] = []
        self._opener = OpenerDirector()
        for handler in (
            ProxyHandler(),
            _Plain(self._sockets),
            _Encrypted(self._sockets),
            HTTPErrorProcessor(),
            HTTPDefaultErrorHandler(),
        ):
            self._opener.add_handler(handler)

    def open(self, url: str, headers: Mapping[str, str]) -> HTTPResponse:
        """Send a request, and follow the redirects that are allowed.

        Raises:
            CorpusError: at one that is not, or too many.
            HTTPError, URLError, HTTPException, OSError, ValueError: as ``urllib`` does.
        """
        at = url
        for _ in range(MOST_REDIRECTS):
            try:
                response: HTTPResponse = self._opener.open(Request(at, headers=dict(headers)), timeout=self._timeout_s)  # noqa: S310
                return response
            except HTTPError as error:
                to = error.headers.get("Location")
                if error.code not in REDIRECTS or not to:
                    raise
                error.close()  # unread: it may have no end
            at = self._follow(url, at, to)
        raise CorpusError(f"{url}: the server redirects without end", "Run this again later.")

    def _follow(self, url: str, at: str, to: str) -> str:
        to = quote(urljoin(at, to.strip()), safe=string.punctuation, encoding="latin-1")
        if not _is_allowed(urlsplit(url), urlsplit(to), self._hosts):
            host = urlsplit(to).hostname
            raise CorpusError(
                f"{url}: the server leads to {to}, which is not https at the same host",
                f"If that is where the corpus lies now, allow it with --allow-host {host}."
                if urlsplit(to).scheme == "https" and host
                else "Nothing is taken from there; look for a newer pcqtool.",
            )
        return to

    @contextmanager
    def hanging_up(self, is_over: Callable[[], bool]) -> Iterator[None]:
        """Cut the connections once something is over, whatever is being waited for in the block."""
        done = threading.Event()

        def look() -> None:
            while not done.wait(LOOK_EVERY_S):
                if is_over():
                    for each in self._sockets:
                        with suppress(OSError):
                            each.shutdown(socket.SHUT_RDWR)

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            self._sockets.clear()


def _is_allowed(first: SplitResult, to: SplitResult, hosts: Collection[str]) -> bool:
    """Whether one may be led from an address to another: https at the host itself, or at one of some others.

    On loopback plain http will do, at the very same port.
    """
    if to.scheme == "https" and to.port in (None, 443):
        return to.hostname == first.hostname or to.hostname in hosts
    same = (to.scheme, to.hostname, to.port) == (first.scheme, first.hostname, first.port)
    return same and (to.scheme == "https" or _is_loopback(to.hostname))


def _is_loopback(host: str | None) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host or "").is_loopback
    return host == "localhost"


class _Plain(HTTPHandler):
    """Keeps the sockets of connections, to hang up."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.sockets = sockets

    def do_open(self, http_class: Any, req: Request, **more: Any) -> Any:
        return super().do_open(_noting(http_class, self.sockets), req, **more)


class _Encrypted(HTTPSHandler):
    """As ``_Plain``, over TLS."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.sockets = sockets

    def do_open(self, http_class: Any, req: Request, **more: Any) -> Any:
        return super().do_open(_noting(http_class, self.sockets), req, **more)


def _noting(http_class: Callable[..., HTTPConnection], sockets: list[socket.socket]) -> Callable[..., HTTPConnection]:
    """Make connections whose sockets are noted: ``urllib`` keeps them to itself."""

    def make(host: str, **more: Any) -> HTTPConnection:
        connection = http_class(host, **more)
        connect = connection.connect

        def noted() -> None:
            connect()
            sockets.append(connection.sock)

        connection.connect = noted  # type: ignore[method-assign]
        return connection

    return make
