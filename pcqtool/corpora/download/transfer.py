"""Resumable downloads (HTTP range requests, RFC 9110 section 14).

A server may be slow, broken or hostile: the size and the time of a download are limited.
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

from pcqtool.corpora.download import OnBytes
from pcqtool.corpora.download.http_client import HttpClient
from pcqtool.corpora.release import Download
from pcqtool.errors import CorpusError
from pcqtool.version import __version__

TIMEOUT_S = 30.0  # without any byte
STALL_S, STALL_BYTES = 300.0, 300_000  # minimum progress: 1 kB/s
MAX_ATTEMPTS = 5  # in a row without progress
BLOCK_BYTES = 1 << 18
MAX_BYTES = 20_000_000_000  # of a file without a published size
MAX_DISK_FRACTION = 0.5  # of the free space, for a file whose size the server does not state either
GROWTH, GROWTH_BYTES = 1.1, 1_000_000  # a file may have grown since its size was published
TEMPORARY_STATUS = {408, 425, 429, 500, 502, 503, 504}
PART_SUFFIX, VALIDATOR_SUFFIX = ".part", ".validator"


class _RetryableError(Exception):
    """A failure that another attempt may overcome."""


@dataclass(frozen=True)
class _Partial:
    """A partial download: the bytes so far, and the server's validator of that version of the file."""

    bytes: Path
    validator: Path

    @property
    def size(self) -> int:
        return self.bytes.stat().st_size if self.bytes.exists() and self.validator.exists() else 0

    def discard(self) -> None:
        self.bytes.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)


class _StallDetector:
    """The progress of a download over all attempts; bytes that are sent a second time do not count."""

    def __init__(self, size: int) -> None:
        self.furthest = self._milestone = size
        self._since_s = time.monotonic()

    def update(self, size: int) -> None:
        self.furthest = max(self.furthest, size)
        if self.furthest >= self._milestone + STALL_BYTES:
            self._milestone, self._since_s = self.furthest, time.monotonic()

    def is_stalled(self) -> bool:
        return time.monotonic() - self._since_s > STALL_S


def download(
    file: Download,
    target: Path,
    on_progress: OnBytes = lambda done, total: None,
    log: Callable[[str], None] = lambda text: None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Download a file, or resume the download of an earlier call or process.

    The bytes so far are in ``NAME.part`` beside the target. The download resumes only if the server confirms that the
    file has not changed (``If-Range``); otherwise it starts again from the beginning.

    Args:
        file: the file, whose checksum is not compared here.
        target: the path to create when the download is complete; its folder must exist.
        on_progress: called with the number of bytes so far and in all; the latter is None if unknown.
        log: called with a line when an attempt has failed and another one follows.
        sleep: pauses for a number of seconds.

    Raises:
        CorpusError: if the server refuses, redirects to a foreign host, sends more bytes than the file can have, or
            makes no progress, in several attempts or for a long time.
        OSError: if the disk cannot be written.
    """
    part = _Partial(target.with_name(target.name + PART_SUFFIX), target.with_name(target.name + VALIDATOR_SUFFIX))
    stall, n_failed = _StallDetector(part.size), 0
    while True:
        before = stall.furthest
        try:
            _attempt(file, part, stall, on_progress)
        except _RetryableError as error:
            n_failed = n_failed + 1 if stall.furthest <= before else 1
            hint = "Run this again later: the download resumes."
            if stall.is_stalled():
                what = f"{file.url}: the server sent less than {STALL_BYTES:,} bytes in {STALL_S:.0f} s"
                raise CorpusError(what, hint) from error
            if n_failed >= MAX_ATTEMPTS:
                raise CorpusError(f"{file.url}: {error}, {n_failed} times in a row", hint) from error
            log(f"{error}; trying again")
            sleep(2.0 ** (n_failed - 1))
        else:
            part.bytes.replace(target)
            part.validator.unlink(missing_ok=True)
            return


def _attempt(file: Download, part: _Partial, stall: _StallDetector, on_progress: OnBytes) -> None:
    client = HttpClient(file.hosts, TIMEOUT_S)
    with client.closing_when(stall.is_stalled):
        with _open(client, file.url, part) as response:
            total = _prepare_partial(response, part)
            _check_size(file, total, part)
            _write_body(response, file, part, total, stall, on_progress)
        if total is None and stall.is_stalled():  # then this side has closed the connection
            raise _RetryableError("the server is too slow")


def _open(client: HttpClient, url: str, part: _Partial) -> HTTPResponse:
    headers = {"User-Agent": f"pcqtool/{__version__}", "Accept-Encoding": "identity"}
    if part.size:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.validator.read_text("utf-8")}
    try:
        response = client.open(url, headers)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # the file has no byte at that position
            part.discard()
        elif error.code not in TEMPORARY_STATUS:
            raise _refused(url, f"{error.code} {error.reason[:100]}") from error
        raise _RetryableError(f"the server answers {error.code} {error.reason[:100]}") from error
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise _RetryableError(f"no connection ({getattr(error, 'reason', None) or error})") from error
    if response.status not in (200, 206):
        response.close()
        raise _refused(url, f"{response.status} {response.reason[:100]}")
    return response


def _refused(url: str, status: str) -> CorpusError:
    hint = "The address may have changed: see 'pcqtool corpora info', and look for a newer pcqtool."
    return CorpusError(f"{url}: the server answers {status}", hint)


def _prepare_partial(response: HTTPResponse, part: _Partial) -> int | None:
    """Prepare the partial file for the rest, or for the whole file; return the size of the whole file."""
    if response.status == 206:
        found = re.fullmatch(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", _header(response, "Content-Range"))
        end = int(found[2]) + 1 if found else 0
        total = int(found[3]) if found and found[3] != "*" else end
        if found is None or int(found[1]) != part.size or not part.size < end <= total:
            part.discard()
            raise _RetryableError("the server sends a different part than requested")
        return total
    part.discard()
    part.bytes.touch()
    etag, changed = _header(response, "ETag"), _header(response, "Last-Modified")
    # A weak ETag means that two versions are equivalent, not that their bytes are equal.
    if validator := etag if etag and not etag.startswith("W/") else changed:
        part.validator.write_text(validator, "utf-8")
    length = response.headers.get("Content-Length")
    if length is not None and not re.fullmatch("[0-9]{1,18}", length.strip()):
        raise _RetryableError(f"the server states a size of {length[:20]!r} bytes")
    return int(length) if length is not None else None


def _header(response: HTTPResponse, name: str) -> str:
    """Return a header that is safe to store and send back; empty if it is too long or not printable."""
    value = str(response.headers.get(name, ""))
    return value if value.isascii() and value.isprintable() and len(value) <= 1000 else ""


def _max_bytes(file: Download) -> int:
    return MAX_BYTES if file.size_bytes is None else int(GROWTH * file.size_bytes) + GROWTH_BYTES


def _check_size(file: Download, total: int | None, part: _Partial) -> None:
    if total is None:
        return
    if total > _max_bytes(file):
        part.discard()
        raise _too_large(file, f"states a size of {total:,} bytes")
    free = shutil.disk_usage(part.bytes.parent).free
    if total - part.size > free:
        raise CorpusError(
            f"{file.url}: needs {total - part.size:,} bytes, but {part.bytes.parent} has only {free:,} left",
            "Free some space, or choose another folder.",
        )


def _too_large(file: Download, what: str) -> CorpusError:
    if file.size_bytes is not None:
        known, hint = f"the published {file.size_bytes:,}", "Look for a newer pcqtool."
    else:
        known, hint = "the limit for a file of unknown size", "The corpus class can state a larger size_bytes."
    return CorpusError(f"{file.url}: the server {what}, more than {known}", f"The file was removed. {hint}")


def _write_body(
    response: HTTPResponse,
    file: Download,
    part: _Partial,
    total: int | None,
    stall: _StallDetector,
    on_progress: OnBytes,
) -> None:
    max_bytes = _max_bytes(file)
    if total is None:
        max_bytes = min(max_bytes, part.size + int(MAX_DISK_FRACTION * shutil.disk_usage(part.bytes.parent).free))
    with part.bytes.open("ab") as output:
        size = output.tell()
        while size <= max_bytes and (total is None or size <= total):
            try:
                block = response.read1(BLOCK_BYTES)
            except (HTTPException, OSError, ValueError) as error:
                raise _RetryableError(f"interrupted after {size:,} bytes ({error or type(error).__name__})") from error
            if not block:
                break
            output.write(block)
            size += len(block)
            stall.update(size)
            on_progress(size, total)
    if size > max_bytes:
        part.discard()
        raise _too_large(file, f"sends more than {max_bytes:,} bytes")
    if total is not None and size != total:
        if size > total:
            part.discard()
        raise _RetryableError(f"interrupted after {size:,} of {total:,} bytes")
