"""Downloads that go on where they were broken off (HTTP range requests, RFC 9110 section 14)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from pcqtool import __version__
from pcqtool.errors import CorpusError

TIMEOUT_S = 30.0  # without a single byte
ATTEMPTS = 5  # in a row that bring nothing
PIECE_BYTES = 1 << 18
PASSING = {408, 425, 429, 500, 502, 503, 504}  # states of a server that may be over soon
PART, VALIDATOR = ".part", ".validator"

Tell = Callable[[int, int | None], None]


class _BrokenOffError(Exception):
    """The connection failed in a way that another attempt may mend."""


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


def download(
    url: str,
    target: Path,
    tell: Tell = lambda done, total: None,
    say: Callable[[str], None] = lambda text: None,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Download a file, or the rest of one that an earlier call, or process, has begun.

    What is there so far lies beside the target as ``NAME.part``. It is gone on with only if the server says that the
    file is still the same (``If-Range``); else the download begins anew.

    Args:
        url: http or https.
        target: appears when all of it is there; its folder must exist.
        tell: called with the bytes that are there, and with those that there are in all, None if the server does not
            say.
        say: called with a line when an attempt has failed and another one follows.
        wait: pauses for so many seconds.

    Raises:
        CorpusError: if the server refuses, or several attempts in a row bring nothing.
        OSError: if the disk refuses.
    """
    part = _Partial(target.with_name(target.name + PART), target.with_name(target.name + VALIDATOR))
    n_failed = 0
    while True:
        before = part.size
        try:
            _attempt(url, part, tell)
        except _BrokenOffError as fault:
            n_failed = n_failed + 1 if part.size <= before else 1
            if n_failed >= ATTEMPTS:
                what = f"{url}: {fault}, {n_failed} times in a row"
                raise CorpusError(what, "Run this again later: it goes on with what is there.") from fault
            say(f"{fault}; trying again")
            wait(2.0 ** (n_failed - 1))
        else:
            part.bytes.replace(target)
            part.validator.unlink(missing_ok=True)
            return


def _attempt(url: str, part: _Partial, tell: Tell) -> None:
    headers = {"User-Agent": f"pcqtool/{__version__}", "Accept-Encoding": "identity"}
    if part.size:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.validator.read_text("utf-8")}
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=TIMEOUT_S)  # noqa: S310
    except HTTPError as error:
        if error.code == 416:  # there is no byte from there on
            part.discard()
        elif error.code not in PASSING:
            hint = "The address may have changed: see 'pcqtool corpora info', and look for a newer pcqtool."
            raise CorpusError(f"{url}: the server answers {error.code} {error.reason}", hint) from error
        raise _BrokenOffError(f"the server answers {error.code} {error.reason}") from error
    except (URLError, HTTPException, OSError) as error:
        raise _BrokenOffError(f"no connection ({getattr(error, 'reason', None) or error})") from error
    with response:
        total = _begin(response, part)
        _take(response, part, total, tell)


def _begin(response: HTTPResponse, part: _Partial) -> int | None:
    """Make ready for what the server sends, the rest or all of it; give the size of the whole file."""
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != part.size:
            part.discard()
            raise _BrokenOffError("the server sends another part than was asked for")
        return None if found[2] == "*" else int(found[2])
    part.discard()
    part.bytes.touch()
    etag, changed = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
    # A weak ETag says that two states are alike, not that their bytes are the same.
    if validator := etag if etag and not etag.startswith("W/") else changed:
        part.validator.write_text(validator, "utf-8")
    length = response.headers.get("Content-Length")
    return int(length) if length is not None else None


def _take(response: HTTPResponse, part: _Partial, total: int | None, tell: Tell) -> None:
    with part.bytes.open("ab") as file:
        size = file.tell()
        while True:
            try:
                piece = response.read1(PIECE_BYTES)
            except (HTTPException, OSError) as error:
                raise _BrokenOffError(f"broken off after {size:,} bytes ({error or type(error).__name__})") from error
            if not piece:
                break
            file.write(piece)
            size += len(piece)
            tell(size, total)
    if total is not None and size != total:
        if size > total:
            part.discard()
        raise _BrokenOffError(f"broken off after {size:,} of {total:,} bytes")
