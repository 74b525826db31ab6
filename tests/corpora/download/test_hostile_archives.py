"""Archives that are small and ask for much: memory, files, time."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pcqtool.corpora.download import unpack as module
from pcqtool.corpora.download.unpack import unpack
from pcqtool.errors import CorpusError

MB = 1_000_000
GIB = 1 << 30
END = bytes(1024)
UNPACK = """
import resource, sys
from pathlib import Path
from pcqtool.corpora.download.unpack import unpack
from pcqtool.errors import CorpusError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
except CorpusError as error:
    print(error.what.splitlines()[0][:500])
else:
    print("unpacked")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(records: dict[str, str], kind: bytes = tarfile.XHDTYPE) -> bytes:
    content = b""
    for key, value in records.items():
        record = f" {key}={value}\n".encode()
        length = next(n for n in range(len(record), len(record) + 20) if n == len(record) + len(str(n)))
        content += str(length).encode() + record
    return header("pax", kind, len(content)) + content + bytes(-len(content) % 512)


def packed(start: bytes, piece: bytes, times: int, pack: Callable[[bytes], bytes]) -> bytes:
    """Pack a stream of a start, a piece that is repeated, and an end; streams may follow each other."""
    return pack(start) + pack(piece) * times + pack(header("a.wav", size=0) + END)


def run(content: bytes, folder: Path) -> tuple[str, int]:
    """Unpack in a new process; return its output, and its memory beyond that at its start."""
    (folder / "archive").write_bytes(content)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", UNPACK, str(folder / "archive"), str(folder / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    said, peak = done.stdout.splitlines()
    return said, int(peak) * 1024


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
@pytest.mark.parametrize(
    "kind",
    [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE],
    ids=["long name", "long link", "pax", "global pax", "solaris"],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_name_of_gigabytes_is_not_read(tmp_path, kind, pack, first):
    before = b"" if first else header("b.wav")
    content = packed(before + header("x", kind, 3 * GIB), b"a" * 10 * MB, 300, pack)
    said, peak = run(content, tmp_path)
    assert "far too long" in said
    assert "archive" in said
    assert peak < 100 * MB


@pytest.mark.parametrize(
    ("start", "piece", "times"),
    [
        (
            pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a", "GNU.sparse.realsize": "1"})
            + header("a", size=512)
            + b"1000000000\n",
            b"0\n" * (5 * MB),
            100,
        ),
        (pax({"GNU.sparse.map": ",".join("0" * 900_000)}) + header("a"), b"", 0),
        (b"", pax({"comment": "x"}), 100_000),
        (b"", header("x", tarfile.XGLTYPE), 100_000),
        (b"", header("x", tarfile.GNUTYPE_LONGNAME, 512) + bytes(512), 100_000),
    ],
    ids=["sparse map", "sparse map in pax", "pax of pax", "empty global pax", "name of names"],
)
def test_endless_headers_are_not_read(tmp_path, start, piece, times):
    once = max(1, MB // max(1, len(piece)))
    said, peak = run(packed(start, piece * min(once, times), max(1, times // once), gzip.compress), tmp_path)
    assert "archive" in said
    assert said != "unpacked"
    assert peak < 100 * MB


def test_old_sparse_files_are_refused(tmp_path):
    start = bytearray(header("a", tarfile.GNUTYPE_SPARSE))
    start[482] = 1  # more of the map follows
    start[148:156] = b"%06o\0 " % (sum(start[:148]) + 8 * 32 + sum(start[156:]))
    block = bytearray(512)
    block[0:504] = b"00000000000 " * 42
    block[504] = 1
    said, peak = run(packed(bytes(start), bytes(block) * 20_000, 20, gzip.compress), tmp_path)
    assert said != "unpacked"
    assert peak < 100 * MB


def test_a_negative_size_is_refused(tmp_path):
    for kind in (tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        content = bytearray(header("a.wav", kind))
        content[124:136] = (-512).to_bytes(12, "big", signed=True)
        content[148:156] = b"%06o\0 " % (sum(content[:148]) + 8 * 32 + sum(content[156:]))
        said, _ = run(header("b.wav") + bytes(content) + END, tmp_path)
        assert "archive" in said
        assert said != "unpacked"
    assert not (tmp_path / "out" / "a.wav").exists()


@pytest.mark.parametrize("size", [10**30, 2**63, 2**64])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.XHDTYPE, b"Z"])
def test_an_enormous_size_is_refused(tmp_path, kind, size):
    content = bytearray(header("a", kind))
    content[124:136] = (size % 2**88 | 1 << 95).to_bytes(12, "big")
    content[148:156] = b"%06o\0 " % (sum(content[:148]) + 8 * 32 + sum(content[156:]))
    (tmp_path / "a.tar").write_bytes(header("b") + bytes(content) + END)
    if kind == tarfile.DIRTYPE:  # which has no content
        assert unpack(tmp_path / "a.tar", tmp_path / "out") == 1
        return
    with pytest.raises(CorpusError, match=r"a\.tar"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_many_members_take_no_memory(tmp_path):
    said, peak = run(packed(b"", header("d", tarfile.DIRTYPE) * 1000, 30, gzip.compress), tmp_path)
    assert said == "unpacked"
    assert peak < 20 * MB


def test_more_members_than_any_corpus_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_MEMBERS", 100)
    (tmp_path / "a.tar").write_bytes(b"".join(header(f"{n}") for n in range(101)) + END)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for n in range(101):
            archive.writestr(f"{n}", b"")
    for name in ("a.tar", "a.zip"):
        with pytest.raises(CorpusError, match="more than 100 entries"):
            unpack(tmp_path / name, tmp_path / f"out of {name}")


def test_bytes_after_the_last_member_are_limited(tmp_path):
    said, peak = run(packed(header("a.wav") + END, bytes(10 * MB), 300, gzip.compress), tmp_path)
    assert "unpacks to more than" in said
    assert peak < 100 * MB


def test_a_huge_directory_of_a_zip_is_not_read(tmp_path):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.wav", b"a")
    content = bytearray(made.getvalue())
    at = content.index(b"PK\x01\x02")
    entry, end = bytes(content[at:-22]), bytearray(content[-22:])
    table = entry * (40 * MB // len(entry))
    end[8:20] = struct.pack("<HHII", 0xFFFF, 0xFFFF, len(table), at)
    said, peak = run(bytes(content[:at]) + table + bytes(end), tmp_path)
    assert "far too long" in said
    assert peak < 150 * MB


def test_a_zip_directory_with_wrong_counts_is_refused(tmp_path):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.wav", b"a")
    whole = made.getvalue()
    for place in range(whole.index(b"PK\x01\x02"), len(whole)):
        content = bytearray(whole)
        content[place : place + 2] = b"\xff\xff"
        (tmp_path / "a.zip").write_bytes(content)
        try:
            unpack(tmp_path / "a.zip", tmp_path / f"out-{place}")
        except CorpusError as error:
            assert "a.zip" in error.what  # noqa: PT017  (some places decide nothing)


def test_a_member_without_a_name(tmp_path):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", b"a")
    content = bytearray(made.getvalue())
    content[content.index(b"PK\x01\x02") + 46] = 0  # a name ends at a zero
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(CorpusError, match="is outside its folder"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("length", [5000, 60_000])
def test_impossible_names_are_shortened_in_the_error(tmp_path, length):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a/" * (length // 2) + "b", b"a")
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a/" * (length // 2) + "b"))
    for name in ("a.zip", "a.tar"):
        with pytest.raises(CorpusError, match="impossible name") as caught:
            unpack(tmp_path / name, tmp_path / "out")
        assert len(caught.value.what) < 200 + len(str(tmp_path))
