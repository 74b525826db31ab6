"""Servers that send wrong data, nothing, or endless data: each ends in an error that names the address."""

from __future__ import annotations

import itertools
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pcqtool.corpora.download import http_client, transfer
from pcqtool.corpora.download.transfer import download
from pcqtool.corpora.release import Download
from pcqtool.errors import CorpusError

OK = b"HTTP/1.1 200 OK\r\n"
CONTENT = bytes(range(256)) * 40

Answer = Callable[[bytes], Iterable[bytes]]


class Server:
    """A server that answers each request, as it was sent, with pieces."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[bytes] = []
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                asked = b""
                while b"\r\n\r\n" not in asked and (piece := self.request.recv(4096)):
                    asked += piece
                server.asked.append(asked)
                with suppress(OSError):
                    for piece in answer(asked):
                        self.request.sendall(piece)

        self._tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._tcp.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._tcp.server_address[1]}"
        threading.Thread(target=self._tcp.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._tcp.shutdown()
        self._tcp.server_close()


@pytest.fixture
def serve(monkeypatch) -> Iterator[Callable[[Answer], Server]]:
    """Start servers; whoever is too slow for a second is too slow."""
    monkeypatch.setattr(transfer, "STALL_S", 1.0)
    monkeypatch.setattr(http_client, "CHECK_EVERY_S", 0.05)
    started: list[Server] = []

    def serve(answer: Answer) -> Server:
        started.append(Server(answer))
        return started[-1]

    yield serve
    for each in started:
        each.close()


def fetch(server: Server, folder: Path, size_bytes: int | None = 10_240, hosts: tuple[str, ...] = ()) -> bytes:
    address = Download(f"{server.address}/a.zip", size_bytes=size_bytes, hosts=hosts)
    download(address, folder / "a.zip", sleep=lambda seconds: None)
    return (folder / "a.zip").read_bytes()


def slowly(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        time.sleep(0.03)


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FLOOD = bytes(1 << 16)


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: itertools.chain([OK, b"\r\n"], itertools.repeat(FLOOD)),
        lambda asked: itertools.chain([CHUNKED], itertools.repeat(chunk(FLOOD))),
        lambda asked: [OK, b"Content-Length: 2000000\r\n\r\n", *[FLOOD] * 40],
        lambda asked: [OK, b"Content-Length: 1000000000000000\r\n\r\n"],
    ],
    ids=["without a length", "in chunks", "longer than published", "announced"],
)
def test_more_bytes_than_the_file_can_have_are_refused_and_deleted(serve, tmp_path, answer):
    server = serve(answer)
    with pytest.raises(CorpusError, match=r"a\.zip: the server .* more than the published 10,240"):
        fetch(server, tmp_path)
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_unknown_size_has_a_limit_too(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "MAX_BYTES", 1_000_000)
    with pytest.raises(CorpusError, match="more than the limit for a file of unknown size"):
        fetch(serve(lambda asked: itertools.chain([OK, b"\r\n"], itertools.repeat(FLOOD))), tmp_path, None)


def test_a_file_without_a_length_never_fills_the_disk(serve, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 4_000_000}))
    server = serve(lambda asked: itertools.chain([OK, b"\r\n"], itertools.repeat(FLOOD)))
    with pytest.raises(CorpusError, match="sends more than 2,000,000 bytes"):
        fetch(server, tmp_path, None)
    assert list(tmp_path.iterdir()) == []


def test_too_little_disk_space_is_reported_before_the_download(serve, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10_000}))
    with pytest.raises(CorpusError, match=r"needs 10,240 bytes, but .* has only 10,000 left"):
        fetch(serve(lambda asked: [OK, b"Content-Length: 10240\r\n\r\n", CONTENT]), tmp_path)


def trickle(start: bytes, piece: bytes) -> Answer:
    return lambda asked: itertools.chain([start], slowly(itertools.repeat(piece)))


@pytest.mark.parametrize(
    "answer",
    [
        trickle(OK + b"Content-Length: 10240\r\n\r\n", b"a"),
        trickle(OK + b"\r\n", b"a"),
        trickle(CHUNKED, chunk(b"a")),
        trickle(CHUNKED, b"0"),  # the size of a chunk
        trickle(CHUNKED + b"0\r\n", b"More: yes\r\n"),
        trickle(OK, b"a"),
        trickle(b"", b"a"),
        trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "body without length", "chunks", "chunk size", "trailer", "header", "state", "continue"],
)
def test_a_server_that_sends_almost_nothing_is_abandoned(serve, tmp_path, answer):
    server = serve(answer)
    with pytest.raises(CorpusError, match="less than 300,000 bytes in 1 s") as caught:
        fetch(server, tmp_path)
    assert "resumes" in caught.value.hint
    assert not (tmp_path / "a.zip").exists()


def test_bytes_of_a_slow_server_are_kept(serve, tmp_path):
    parts = [CONTENT[:4000], CONTENT[4000:]]
    state = b'ETag: "1"\r\nContent-Length: 10240\r\n\r\n'

    def answer(asked: bytes) -> Iterator[bytes]:
        if b"Range: bytes=4000-" in asked:
            yield b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4000-10239/10240\r\n\r\n" + parts[1]
        else:
            yield OK + state + parts[0]
            time.sleep(3)

    server = serve(answer)
    with pytest.raises(CorpusError, match="less than"):
        fetch(server, tmp_path)
    assert fetch(server, tmp_path) == CONTENT


@pytest.mark.parametrize("length", [b"abc", b"-5", b"", b"1e4", b"9" * 5000, "１２".encode(), b"0x10", b"+10240"])
def test_an_invalid_length_is_reported(serve, tmp_path, length):
    server = serve(lambda asked: [OK + b"Content-Length: " + length + b"\r\n\r\n" + CONTENT])
    with pytest.raises(CorpusError, match=r"the server states a size of .* bytes, 5 times in a row"):
        fetch(server, tmp_path)


def part_of(server_says: bytes) -> Answer:
    def answer(asked: bytes) -> list[bytes]:
        if b"Range: " in asked:
            return [b"HTTP/1.1 206 Partial Content\r\nContent-Range: " + server_says + b"\r\n\r\n" + CONTENT[4000:]]
        return [OK + b'ETag: "1"\r\nContent-Length: 10240\r\n\r\n' + CONTENT[:4000]]

    return answer


@pytest.mark.parametrize(
    "says",
    [
        b"bytes 0-10239/10240",
        b"bytes 3999-10239/10240",
        b"bytes 4000-3999/10240",
        b"bytes 4000-10240/10240",
        b"bytes 10239-4000/10240",
        b"bytes */10240",
        b"bytes 4000-" + b"9" * 5000 + b"/*",
        b"octets 4000-10239/10240",
        b"",
    ],
)
def test_another_part_than_requested_is_not_appended(serve, tmp_path, says):
    """Whole and partial answers in turn never come further than the first one did."""
    server = serve(part_of(says))
    with pytest.raises(CorpusError, match="5 times in a row"):
        fetch(server, tmp_path)
    assert len(server.asked) < 12


@pytest.mark.parametrize("says", [b"bytes 4000-10239/10240", b"bytes 4000-10239/*"])
def test_the_requested_part_is_appended(serve, tmp_path, says):
    assert fetch(serve(part_of(says)), tmp_path) == CONTENT


def test_a_server_with_changing_answers_is_abandoned(serve, tmp_path):
    """It sends a part, then all anew, each time a little and never all."""
    turns = itertools.count()

    def answer(asked: bytes) -> list[bytes]:
        if next(turns) % 2 and b"Range: bytes=3000-" in asked:
            return [b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 3000-10239/10240\r\n\r\n" + CONTENT[:1000]]
        return [OK + b'ETag: "1"\r\nContent-Length: 10240\r\n\r\n' + CONTENT[:3000]]

    server = serve(answer)
    with pytest.raises(CorpusError, match="5 times in a row"):
        fetch(server, tmp_path)
    assert len(server.asked) < 12


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 203 Perhaps\r\nContent-Length: 1\r\n\r\na"]
)
def test_an_answer_other_than_the_file_is_refused(serve, tmp_path, answer):
    with pytest.raises(CorpusError, match="the server answers 20"):
        fetch(serve(lambda asked: [answer]), tmp_path)
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize("answer", [b"", b"\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x16\x03\x01"])
def test_a_server_that_does_not_speak_http(serve, tmp_path, answer):
    with pytest.raises(CorpusError, match="5 times in a row"):
        fetch(serve(lambda asked: [answer]), tmp_path)


def to(place: str, state: int = 302) -> bytes:
    return f"HTTP/1.1 {state} Found\r\nLocation: {place}\r\n\r\n".encode("latin-1")


@pytest.mark.parametrize(
    "place",
    [
        "ftp://127.0.0.1/a.zip",
        "file:///etc/passwd",
        "data:text/plain,a",
        "http://localhost/a.zip",
        "http://example.org/a.zip",
        "https://example.org/a.zip",
        "//example.org/a.zip",
        "https://127.0.0.1.example.org/a.zip",
        "https://127.0.0.1@example.org/a.zip",
        "https://127.0.0.1:22/a.zip",
        "gopher:a",
    ],
)
def test_a_redirect_to_a_foreign_host_is_not_followed(serve, tmp_path, place):
    server = serve(lambda asked: [to(place)])
    with pytest.raises(CorpusError, match=r"redirects to .* not https at the same host"):
        fetch(server, tmp_path)
    assert len(server.asked) == 1


def test_a_host_that_is_allowed_is_asked(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "STALL_S", 60.0)  # five attempts may take a busy machine longer than a second
    server = serve(lambda asked: [to("https://127.0.0.2/a.zip")])
    with pytest.raises(CorpusError, match=r"redirects to https://127\.0\.0\.2/a\.zip") as caught:
        fetch(server, tmp_path, hosts=("127.0.0.3",))
    assert "--allow-host 127.0.0.2" in caught.value.hint
    with pytest.raises(CorpusError, match="no connection"):
        fetch(server, tmp_path, hosts=("127.0.0.2",))


def test_a_redirect_to_another_port_is_not_followed(serve, tmp_path):
    other = serve(lambda asked: [OK + b"\r\n" + CONTENT])
    with pytest.raises(CorpusError, match="redirects to"):
        fetch(serve(lambda asked: [to(f"{other.address}/a.zip")]), tmp_path)
    assert other.asked == []


@pytest.mark.parametrize("place", ["http://[", "http://127.0.0.1:99999/", "http://127.0.0.1:abc/", "\xff\x01", ""])
def test_a_redirect_to_an_invalid_address_is_reported(serve, tmp_path, place):
    with pytest.raises(CorpusError, match=r"a\.zip"):
        fetch(serve(lambda asked: [to(place)]), tmp_path)


@pytest.mark.parametrize("state", [301, 302, 303, 307, 308])
def test_a_redirect_at_the_same_host_is_followed(serve, tmp_path, state):
    def answer(asked: bytes) -> list[bytes]:
        return [OK + b"\r\n" + CONTENT] if b"GET /b%20c" in asked else [to("/b c", state)]

    assert fetch(serve(answer), tmp_path) == CONTENT


def test_circular_redirects_end(serve, tmp_path):
    count = itertools.count()
    for place in (lambda: "/a.zip", lambda: f"/{next(count)}"):
        server = serve(lambda asked, place=place: [to(place())])
        with pytest.raises(CorpusError, match="redirects endlessly"):
            fetch(server, tmp_path)
        assert len(server.asked) == http_client.MAX_REDIRECTS


def test_the_body_of_a_redirect_is_not_read(serve, tmp_path):
    def answer(asked: bytes) -> Iterable[bytes]:
        if b"GET /b" in asked:
            return [OK + b"\r\n" + CONTENT]
        return itertools.chain([to("/b")], itertools.repeat(FLOOD))

    assert fetch(serve(answer), tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("first", "then", "hosts", "allowed"),
    [
        ("http://a.org/x", "https://a.org/y", (), True),
        ("https://a.org/x", "https://A.org:443/y", (), True),
        ("https://a.org:8443/x", "https://a.org:8443/y", (), True),
        ("http://a.org/x", "http://a.org/y", (), False),
        ("https://a.org/x", "http://a.org/x", (), False),
        ("https://a.org/x", "https://b.org/x", (), False),
        ("https://a.org/x", "https://b.org/x", ("b.org",), True),
        ("https://a.org/x", "http://b.org/x", ("b.org",), False),
        ("https://a.org/x", "https://c.b.org/x", ("b.org",), False),
        ("http://localhost:80/x", "http://localhost:80/y", (), True),
        ("http://[::1]:80/x", "http://[::1]:80/y", (), True),
    ],
)
def test_which_redirects_are_allowed(first, then, hosts, allowed):
    assert http_client._is_allowed(urlsplit(first), urlsplit(then), hosts) is allowed
