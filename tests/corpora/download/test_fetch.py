from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from pcqtool.corpora.datasets.iemocap import IEMOCAP
from pcqtool.corpora.download.fetch import FetchedFile, fetch
from pcqtool.corpora.release import Download
from pcqtool.errors import CorpusError, LockedError


def packed(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.wav", content)
    return made.getvalue()


FIRST, SECOND = packed(a=b"1" * 10_000, b=b"2"), packed(c=b"3")


@pytest.fixture
def corpus(site) -> type:
    site.files = {"one.zip": FIRST, "two.zip": SECOND, "table.csv": b"x,y\n"}

    class Public:
        name = "public"
        title = citation = ""
        licence = "Free."
        url = "https://example.org"
        downloads = (
            Download(f"{site.address}/one.zip", f"md5:{hashlib.md5(FIRST, usedforsecurity=False).hexdigest()}"),
            Download(f"{site.address}/two.zip?download=1", folder="more/women"),
            Download(f"{site.address}/table.csv", folder="more"),
        )

    return Public


class Watched:
    """Records the displayed progress."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.told: list[tuple[int, int | None]] = []

    @contextmanager
    def __call__(self, title: str) -> Iterator[object]:
        self.titles.append(title)
        yield lambda done, total: self.told.append((done, total))


def run(corpus: type, root: Path, lines: list[str] | None = None) -> list[FetchedFile]:
    return fetch(corpus, root, Watched(), (lines if lines is not None else []).append, sleep=lambda seconds: None)


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_all_files_are_where_they_belong_and_nothing_else_stays(corpus, site, tmp_path):
    root = tmp_path / "corpora" / "public"
    done = run(corpus, root)
    assert files(root) == {"a.wav": b"1" * 10_000, "b.wav": b"2", "more/women/c.wav": b"3", "more/table.csv": b"x,y\n"}
    assert [each.checked_by for each in done] == ["publisher", "nothing", "nothing"]
    assert done[1].sha256 == hashlib.sha256(SECOND).hexdigest()
    work = tmp_path / "corpora" / ".fetch" / "public"
    assert {path.name for path in work.iterdir()} == {"fetched.json"}
    assert [each["sha256"] for each in json.loads((work / "fetched.json").read_text())] == [
        each.sha256 for each in done
    ]


def test_an_existing_corpus_is_not_fetched_again(corpus, site, tmp_path):
    (tmp_path / "public").mkdir()
    assert len(run(corpus, tmp_path / "public")) == 3
    n_asked = len(site.asked)
    assert run(corpus, tmp_path / "public") == []
    assert len(site.asked) == n_asked


def test_a_second_download_is_compared_with_the_first(corpus, site, tmp_path):
    import shutil

    run(corpus, tmp_path / "public")
    shutil.rmtree(tmp_path / "public")
    assert [each.checked_by for each in run(corpus, tmp_path / "public")] == ["publisher", "first fetch", "first fetch"]
    shutil.rmtree(tmp_path / "public")
    site.files["two.zip"] = packed(c=b"changed")
    with pytest.raises(CorpusError, match=r"two\.zip.* differs from .*, fetched on 20") as caught:
        run(corpus, tmp_path / "public")
    assert "fetched.json" in caught.value.hint
    assert not (tmp_path / "public").exists()


def test_a_wrong_checksum_leaves_no_files_and_the_next_download_starts_again(corpus, site, tmp_path):
    site.files["one.zip"] = FIRST[:-1] + b"x"
    with pytest.raises(CorpusError, match=r"its md5 \w+ is not the published \w+"):
        run(corpus, tmp_path / "public")
    assert not (tmp_path / "public").exists()
    site.files["one.zip"] = FIRST
    assert len(run(corpus, tmp_path / "public")) == 3


def test_interrupted_downloads_resume_and_complete_files_are_kept(corpus, site, tmp_path):
    site.break_after = [5_000, 100_000, *[0] * 10]
    lines: list[str] = []
    with pytest.raises(CorpusError, match="in a row"):
        run(corpus, tmp_path / "public", lines)
    assert any("interrupted after 5,000" in line for line in lines)
    site.break_after, site.asked = [], []
    run(corpus, tmp_path / "public")
    assert len(site.asked) == 2  # two.zip and table.csv
    assert len(files(tmp_path / "public")) == 4


def test_a_harmful_archive_leaves_no_files(corpus, site, tmp_path):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("fine.wav", b"fine")
        archive.writestr("../../evil.wav", b"evil")
    site.files["two.zip"] = made.getvalue()
    with pytest.raises(CorpusError, match=r"'\.\./\.\./evil\.wav' is outside"):
        run(corpus, tmp_path / "deep" / "public")
    assert not list(tmp_path.rglob("*.wav"))
    assert not (tmp_path / "deep" / "public").exists()


def test_a_corpus_that_is_not_public_hints_at_the_application(tmp_path):
    with pytest.raises(CorpusError, match="'iemocap' cannot be downloaded by a program") as caught:
        run(IEMOCAP, tmp_path / "iemocap")
    for part in (IEMOCAP.url, "release form", str(tmp_path / "iemocap")):
        assert part in caught.value.hint


def test_redirects_are_allowed_by_the_class_or_the_caller(corpus, tmp_path, monkeypatch):
    asked = []

    def note(address, target, *more):
        asked.append(address)
        raise CorpusError("")

    monkeypatch.setattr("pcqtool.corpora.download.fetch.download", note)
    corpus.downloads = (Download("https://a.org/a.zip", size_bytes=5, hosts=("b.org",)),)
    with pytest.raises(CorpusError):
        fetch(corpus, tmp_path / "public", Watched(), lambda line: None, hosts=["c.org"])
    assert asked == [Download("https://a.org/a.zip", size_bytes=5, hosts=("b.org", "c.org"))]


def test_one_at_a_time(corpus, tmp_path):
    (tmp_path / ".fetch" / "public").mkdir(parents=True)
    with FileLock(tmp_path / ".fetch" / "public" / ".lock"), pytest.raises(LockedError, match="another process"):
        run(corpus, tmp_path / "public")


def test_a_folder_without_write_permission_is_an_error(corpus, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CorpusError, match="cannot be written"):
        run(corpus, tmp_path / "file" / "public")
