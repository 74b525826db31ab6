"""An HTTP client for untrusted servers: redirects only to allowed hosts, and connections that can be closed."""

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

MAX_REDIRECTS = 10
REDIRECTS = {301, 302, 303, 307, 308}
CHECK_EVERY_S = 1.0

ConnectionFactory = Callable[..., HTTPConnection]


class HttpClient:
    """A client for http and https only (no ftp, no files) that follows no redirect to a foreign host.

    Args:
        hosts: other hosts to which an address may redirect.
        timeout_s: limit of the time without any byte.
    """

    def __init__(self, hosts: Collection[str], timeout_s: float) -> None:
        self._hosts = {host.lower() for host in hosts}
        self._timeout_s = timeout_s
        self._sockets: list[socket.socket] = []
        self._opener = OpenerDirector()
        for handler in (
            ProxyHandler(),
            _HttpHandler(self._sockets),
            _HttpsHandler(self._sockets),
            HTTPErrorProcessor(),
            HTTPDefaultErrorHandler(),
        ):
            self._opener.add_handler(handler)

    def open(self, url: str, headers: Mapping[str, str]) -> HTTPResponse:
        """Send a request and follow allowed redirects.

        Raises:
            CorpusError: at a forbidden redirect, or too many of them.
            HTTPError, URLError, HTTPException, OSError, ValueError: from ``urllib``.
        """
        address = url
        for _ in range(MAX_REDIRECTS):
            try:
                request = Request(address, headers=dict(headers))  # noqa: S310  (no handler opens files)
                response: HTTPResponse = self._opener.open(request, timeout=self._timeout_s)
                return response
            except HTTPError as error:
                location = error.headers.get("Location")
                if error.code not in REDIRECTS or not location:
                    raise
                error.close()  # without reading it: it may be endless
            address = self._redirected(url, address, location)
        raise CorpusError(f"{url}: the server redirects endlessly", "Run this again later.")

    def _redirected(self, url: str, address: str, location: str) -> str:
        target = quote(urljoin(address, location.strip()), safe=string.punctuation, encoding="latin-1")
        if not _is_allowed(urlsplit(url), urlsplit(target), self._hosts):
            host = urlsplit(target).hostname
            raise CorpusError(
                f"{url}: the server redirects to {target}, which is not https at the same host",
                f"If the corpus has moved there, allow it with --allow-host {host}."
                if urlsplit(target).scheme == "https" and host
                else "Nothing is downloaded from there; look for a newer pcqtool.",
            )
        return target

    @contextmanager
    def closing_when(self, condition: Callable[[], bool]) -> Iterator[None]:
        """Close the connections as soon as a condition is true, even while the block waits for the server."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(CHECK_EVERY_S):
                if condition():
                    for each in self._sockets:
                        with suppress(OSError):
                            each.shutdown(socket.SHUT_RDWR)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            self._sockets.clear()


def _is_allowed(first: SplitResult, to: SplitResult, hosts: Collection[str]) -> bool:
    """Whether a redirect is allowed: to https at the same host or one of ``hosts``.

    A redirect to the same scheme, host and port is allowed for https, and for http on loopback.
    """
    if to.scheme == "https" and to.port in (None, 443):
        return to.hostname == first.hostname or to.hostname in hosts
    same = (to.scheme, to.hostname, to.port) == (first.scheme, first.hostname, first.port)
    return same and (to.scheme == "https" or _is_loopback(to.hostname))


def _is_loopback(host: str | None) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host or "").is_loopback
    return host == "localhost"


class _HttpHandler(HTTPHandler):
    """Records the sockets of connections, so that they can be closed."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.sockets = sockets

    def do_open(self, http_class: Any, req: Request, **more: Any) -> Any:
        return super().do_open(_recording(http_class, self.sockets), req, **more)


class _HttpsHandler(HTTPSHandler):
    """The same over TLS."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.sockets = sockets

    def do_open(self, http_class: Any, req: Request, **more: Any) -> Any:
        return super().do_open(_recording(http_class, self.sockets), req, **more)


def _recording(http_class: ConnectionFactory, sockets: list[socket.socket]) -> ConnectionFactory:
    """Wrap a connection class so that it records its sockets: ``urllib`` does not expose them."""

    def make(host: str, **more: Any) -> HTTPConnection:
        connection = http_class(host, **more)
        connect = connection.connect

        def connect_and_record() -> None:
            connect()
            sockets.append(connection.sock)

        connection.connect = connect_and_record  # type: ignore[method-assign]
        return connection

    return make
