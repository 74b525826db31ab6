"""Downloads that go on where they were broken off (HTTP range requests, RFC 9110 section 14).

A server may be slow, broken or hostile: how much it may send and how long it may take is bounded.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError

from pcqtool.corpora.download.web import Client
from pcqtool.errors import CorpusError
from pcqtool.version import __version__

TIMEOUT_S = 30.0  # without a single byte
STALL_S, STALL_BYTES = 300.0, 300_000  # as long, with no more than that: 1 kB/s
ATTEMPTS = 5  # in a row that bring nothing
PIECE_BYTES = 1 << 18
MOST_BYTES = 20_000_000_000  # of a file whose size nobody has published
MOST_OF_DISK = 0.5  # of what is free, for a file whose size the server does not say either
MARGIN = 1.1  # by which a file may have grown since its size was published
SPARE_BYTES = 1_000_000
PASSING = {408, 425, 429, 500, 502, 503, 504}  # states of a server that may be over soon
PART, VALIDATOR = ".part", ".validator"

Tell = Callable[[int, int | None], None]


class _BrokenOffError(Exception):
    """The connection failed in a way that another attempt may mend."""


@dataclass(frozen=True)
class Address:
    """Where a file is, and what is known of it.

    Attributes:
        url: http or https.
        size_bytes: as it was published; None where it was not.
        hosts: other hosts to which the address may lead.
    """

    url: str
    size_bytes: int | None = None
    hosts: tuple[str, ...] = ()

    @property
    def most_bytes(self) -> int:
        """More than this is not the file."""
        return MOST_BYTES if self.size_bytes is None else int(MARGIN * self.size_bytes) + SPARE_BYTES


@dataclass(frozen=True)
class _Partial:
    """What is there of a file: its bytes so far, and what the server called that state of the file."""

    bytes: Path
    validator: Path

    @property
    def size(self) -> int:
        return self.bytes.stat().st_size if self.bytes.exists() and self.validator.exists() else 0

    def discard(self) -> None:
        self.bytes.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)


class _Pace:
    """How far a download has come, over all attempts: what is sent a second time counts for nothing."""

    def __init__(self, size: int) -> None:
        self.furthest = self._mark = size
        self._since_s = time.monotonic()

    def reach(self, size: int) -> None:
        self.furthest = max(self.furthest, size)
        if self.furthest >= self._mark + STALL_BYTES:
            self._mark, self._since_s = self.furthest, time.monotonic()

    def is_stalled(self) -> bool:
        return time.monotonic() - self._since_s > STALL_S


def download(
    address: Address,
    target: Path,
    tell: Tell = lambda done, total: None,
    say: Callable[[str], None] = lambda text: None,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Download a file, or the rest of one that an earlier call, or process, has begun.

    What is there so far lies beside the target as ``NAME.part``. It is gone on with only if the server says that the
    file is still the same (``If-Range``); else the download begins anew.

    Args:
        address: of the file.
        target: appears when all of it is there; its folder must exist.
        tell: called with the bytes that are there, and with those that there are in all, None if the server does not
            say.
        say: called with a line when an attempt has failed and another one follows.
        wait: pauses for so many seconds.

    Raises:
        CorpusError: if the server refuses, leads elsewhere, sends more than the file can have, or brings nothing, be
            it in several attempts or for a long time.
        OSError: if the disk refuses.
    """
    part = _Partial(target.with_name(target.name + PART), target.with_name(target.name + VALIDATOR))
    pace, n_failed = _Pace(part.size), 0
    while True:
        before = pace.furthest
        try:
            _attempt(address, part, pace, tell)
        except _BrokenOffError as fault:
            n_failed = n_failed + 1 if pace.furthest <= before else 1
            again = "Run this again later: it goes on with what is there."
            if pace.is_stalled():
                what = f"{address.url}: the server has sent less than {STALL_BYTES:,} bytes in {STALL_S:.0f} s"
                raise CorpusError(what, again) from fault
            if n_failed >= ATTEMPTS:
                raise CorpusError(f"{address.url}: {fault}, {n_failed} times in a row", again) from fault
            say(f"{fault}; trying again")
            wait(2.0 ** (n_failed - 1))
        else:
            part.bytes.replace(target)
            part.validator.unlink(missing_ok=True)
            return


def _attempt(address: Address, part: _Partial, pace: _Pace, tell: Tell) -> None:
    client = Client(address.hosts, TIMEOUT_S)
    with client.hanging_up(pace.is_stalled):
        with _open(client, address.url, part) as response:
            total = _begin(response, part)
            _check_size(address, total, part)
            _take(response, address, part, total, pace, tell)
        if total is None and pace.is_stalled():  # then it was we who made an end
            raise _BrokenOffError("the server is too slow")


def _open(client: Client, url: str, part: _Partial) -> HTTPResponse:
    headers = {"User-Agent": f"pcqtool/{__version__}", "Accept-Encoding": "identity"}
    if part.size:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.validator.read_text("utf-8")}
    try:
        response = client.open(url, headers)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # there is no byte from there on
            part.discard()
        elif error.code not in PASSING:
            raise _refused(url, f"{error.code} {error.reason[:100]}") from error
        raise _BrokenOffError(f"the server answers {error.code} {error.reason[:100]}") from error
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise _BrokenOffError(f"no connection ({getattr(error, 'reason', None) or error})") from error
    if response.status not in (200, 206):
        response.close()
        raise _refused(url, f"{response.status} {response.reason[:100]}")
    return response


def _refused(url: str, answer: str) -> CorpusError:
    hint = "The address may have changed: see 'pcqtool corpora info', and look for a newer pcqtool."
    return CorpusError(f"{url}: the server answers {answer}", hint)


def _begin(response: HTTPResponse, part: _Partial) -> int | None:
    """Make ready for what the server sends, the rest or all of it; return the size of the whole file."""
    if response.status == 206:
        found = re.fullmatch(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", _header(response, "Content-Range"))
        end = int(found[2]) + 1 if found else 0
        total = int(found[3]) if found and found[3] != "*" else end
        if found is None or int(found[1]) != part.size or not part.size < end <= total:
            part.discard()
            raise _BrokenOffError("the server sends another part than was asked for")
        return total
    part.discard()
    part.bytes.touch()
    etag, changed = _header(response, "ETag"), _header(response, "Last-Modified")
    # A weak ETag says that two states are alike, not that their bytes are the same.
    if validator := etag if etag and not etag.startswith("W/") else changed:
        part.validator.write_text(validator, "utf-8")
    length = response.headers.get("Content-Length")
    if length is not None and not re.fullmatch("[0-9]{1,18}", length.strip()):
        raise _BrokenOffError(f"the server says that the file has {length[:20]!r} bytes")
    return int(length) if length is not None else None


def _header(response: HTTPResponse, name: str) -> str:
    """Return a header that can be kept and sent again: it is printable and not long, else it counts for nothing."""
    value = str(response.headers.get(name, ""))
    return value if value.isascii() and value.isprintable() and len(value) <= 1000 else ""


def _check_size(address: Address, total: int | None, part: _Partial) -> None:
    if total is None:
        return
    if total > address.most_bytes:
        part.discard()
        raise _too_large(address, f"says that it has {total:,} bytes")
    free = shutil.disk_usage(part.bytes.parent).free
    if total - part.size > free:
        raise CorpusError(
            f"{address.url}: has {total:,} bytes, and {part.bytes.parent} has {free:,} left",
            "Free some space, or choose another folder.",
        )


def _too_large(address: Address, what: str) -> CorpusError:
    if address.size_bytes is not None:
        known, hint = f"the {address.size_bytes:,} that were published", "Look for a newer pcqtool."
    else:
        known, hint = "is taken of a file of unknown size", "If it is as large as that, its class can say so."
    return CorpusError(f"{address.url}: the server {what}, more than {known}", f"It is removed. {hint}")


def _take(response: HTTPResponse, address: Address, part: _Partial, total: int | None, pace: _Pace, tell: Tell) -> None:
    most_bytes = address.most_bytes
    if total is None:
        most_bytes = min(most_bytes, part.size + int(MOST_OF_DISK * shutil.disk_usage(part.bytes.parent).free))
    with part.bytes.open("ab") as file:
        size = file.tell()
        while size <= most_bytes and (total is None or size <= total):
            try:
                piece = response.read1(PIECE_BYTES)
            except (HTTPException, OSError, ValueError) as error:
                raise _BrokenOffError(f"broken off after {size:,} bytes ({error or type(error).__name__})") from error
            if not piece:
                break
            file.write(piece)
            size += len(piece)
            pace.reach(size)
            tell(size, total)
    if size > most_bytes:
        part.discard()
        raise _too_large(address, f"sends more than {most_bytes:,} bytes")
    if total is not None and size != total:
        if size > total:
            part.discard()
        raise _BrokenOffError(f"broken off after {size:,} of {total:,} bytes")
