from __future__ import annotations

import random
from pathlib import Path

import pytest

from pcqtool.corpora.download import transfer
from pcqtool.corpora.download.transfer import MAX_ATTEMPTS, download
from pcqtool.corpora.release import Download
from pcqtool.errors import CorpusError

CONTENT = random.Random(0).randbytes(300_000)


@pytest.fixture
def target(site, tmp_path: Path) -> Path:
    site.files["a.zip"] = CONTENT
    return tmp_path / "a.zip"


def fetch(site, target: Path, **more) -> tuple[list[float], list[str]]:
    waits: list[float] = []
    lines: list[str] = []
    download(Download(f"{site.address}/a.zip"), target, log=lines.append, sleep=waits.append, **more)
    return waits, lines


def test_a_file_is_downloaded_with_progress(site, target):
    told: list[tuple[int, int | None]] = []
    assert fetch(site, target, on_progress=lambda *both: told.append(both)) == ([], [])
    assert target.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in target.parent.iterdir()] == ["a.zip"]


def test_an_interrupted_download_resumes(site, target):
    site.break_after = [100_000, 50_000, 0]
    waits, lines = fetch(site, target)
    assert target.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=100000-", "bytes=150000-", "bytes=150000-"]
    assert len(waits) == len(lines) == 3
    assert "interrupted after 100,000 of 300,000 bytes" in lines[0]


def test_another_process_resumes_a_download(site, target):
    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    site.break_after = [100_000]
    with pytest.raises(KeyboardInterrupt):
        download(Download(f"{site.address}/a.zip"), target, sleep=stop)
    assert not target.exists()
    fetch(site, target)
    assert target.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=100000-"]


def test_a_changed_file_is_downloaded_from_the_beginning(site, target):
    site.break_after = [100_000, 0, 0, 0, 0, 0]
    with pytest.raises(CorpusError):
        fetch(site, target)
    site.files["a.zip"], site.validators = CONTENT[::-1], {"ETag": '"2"'}
    site.break_after = []
    fetch(site, target)
    assert target.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize(
    "validators", [{}, {"ETag": 'W/"1"'}, {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"ETag": '"1"'}]
)
def test_a_download_resumes_only_with_a_validator(site, target, validators):
    site.validators = validators
    site.break_after = [100_000]
    fetch(site, target)
    assert target.read_bytes() == CONTENT
    strong = validators and validators != {"ETag": 'W/"1"'}
    assert site.asked == [None, "bytes=100000-" if strong else None]


def test_a_server_without_ranges_sends_the_whole_file(site, target):
    site.ranges = False
    site.break_after = [100_000]
    fetch(site, target)
    assert target.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=100000-"]


def test_a_server_without_progress_is_abandoned(site, target):
    site.break_after = [100_000, *[0] * 10]
    with pytest.raises(CorpusError, match=f"{MAX_ATTEMPTS} times in a row") as caught:
        fetch(site, target)
    assert "resumes" in caught.value.hint
    assert len(site.asked) == 1 + MAX_ATTEMPTS - 1


def test_a_server_without_lengths_is_accepted(site, target):
    site.length = False
    told: list[tuple[int, int | None]] = []
    fetch(site, target, on_progress=lambda *both: told.append(both))
    assert target.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), None)


def test_a_slow_server_is_waited_for_but_not_a_silent_one(site, target, monkeypatch):
    monkeypatch.setattr(transfer, "TIMEOUT_S", 0.3)
    site.files["a.zip"] = CONTENT[:20_000]
    site.pause_s = 0.1
    assert fetch(site, target) == ([], [])
    site.pause_s = 0.8
    waits, lines = fetch(site, target)
    assert waits
    assert "timed out" in lines[0]
    assert target.read_bytes() == CONTENT[:20_000]


def test_temporary_errors_are_retried_and_others_are_not(site, target):
    site.states = [503, 429]
    assert len(fetch(site, target)[0]) == 2
    target.unlink()
    site.states = [403]
    with pytest.raises(CorpusError, match="403 Forbidden"):
        fetch(site, target)


def test_a_missing_file_is_reported(site, target):
    del site.files["a.zip"]
    with pytest.raises(CorpusError, match=r"a\.zip: the server answers 404") as caught:
        fetch(site, target)
    assert "newer pcqtool" in caught.value.hint
    assert len(site.asked) == 1


def test_an_unreachable_server_is_reported(site, target, monkeypatch):
    with pytest.raises(CorpusError, match="no connection"):
        download(Download("http://127.0.0.1:9/a.zip"), target, sleep=lambda seconds: None)


def test_a_partial_file_beyond_the_end_starts_again(site, target):
    target.with_name("a.zip.part").write_bytes(CONTENT + b"more")
    target.with_name("a.zip.validator").write_text('"1"')
    fetch(site, target)
    assert target.read_bytes() == CONTENT
