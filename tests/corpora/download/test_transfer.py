from __future__ import annotations

import random
from pathlib import Path

import pytest

from pcqtool.corpora.download import transfer
from pcqtool.corpora.download.transfer import MAX_ATTEMPTS, RemoteFile, download
from pcqtool.errors import CorpusError

CONTENT = random.Random(0).randbytes(300_000)


@pytest.fixture
def target(site, tmp_path: Path) -> Path:
    site.files["a.zip"] = CONTENT
    return tmp_path / "a.zip"


def fetch(site, target: Path, **more) -> tuple[list[float], list[str]]:
    waits: list[float] = []
    lines: list[str] = []
    download(RemoteFile(f"{site.address}/a.zip"), target, log=lines.append, sleep=waits.append, **more)
    return waits, lines


def test_a_file_comes_whole_and_is_told_of(site, target):
    told: list[tuple[int, int | None]] = []
    assert fetch(site, target, on_progress=lambda *both: told.append(both)) == ([], [])
    assert target.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in target.parent.iterdir()] == ["a.zip"]


def test_what_is_broken_off_goes_on_where_it_was(site, target):
    site.break_after = [100_000, 50_000, 0]
    waits, lines = fetch(site, target)
    assert target.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=100000-", "bytes=150000-", "bytes=150000-"]
    assert len(waits) == len(lines) == 3
    assert "interrupted after 100,000 of 300,000 bytes" in lines[0]


def test_another_process_goes_on_with_it(site, target):
    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    site.break_after = [100_000]
    with pytest.raises(KeyboardInterrupt):
        download(RemoteFile(f"{site.address}/a.zip"), target, sleep=stop)
    assert not target.exists()
    fetch(site, target)
    assert target.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=100000-"]


def test_a_file_that_has_changed_in_between_is_taken_from_its_beginning(site, target):
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
def test_only_with_a_mark_of_the_files_state_is_it_gone_on_with(site, target, validators):
    site.validators = validators
    site.break_after = [100_000]
    fetch(site, target)
    assert target.read_bytes() == CONTENT
    strong = validators and validators != {"ETag": 'W/"1"'}
    assert site.asked == [None, "bytes=100000-" if strong else None]


def test_a_server_without_ranges_sends_it_anew(site, target):
    site.ranges = False
    site.break_after = [100_000]
    fetch(site, target)
    assert target.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=100000-"]


def test_a_server_that_never_gets_far_is_given_up_on(site, target):
    site.break_after = [100_000, *[0] * 10]
    with pytest.raises(CorpusError, match=f"{MAX_ATTEMPTS} times in a row") as caught:
        fetch(site, target)
    assert "resumes" in caught.value.hint
    assert len(site.asked) == 1 + MAX_ATTEMPTS - 1


def test_a_server_without_lengths_is_believed(site, target):
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


def test_states_that_pass_are_tried_again_and_others_are_not(site, target):
    site.states = [503, 429]
    assert len(fetch(site, target)[0]) == 2
    target.unlink()
    site.states = [403]
    with pytest.raises(CorpusError, match="403 Forbidden"):
        fetch(site, target)


def test_a_file_that_is_not_there(site, target):
    del site.files["a.zip"]
    with pytest.raises(CorpusError, match=r"a\.zip: the server answers 404") as caught:
        fetch(site, target)
    assert "newer pcqtool" in caught.value.hint
    assert len(site.asked) == 1


def test_nobody_there(site, target, monkeypatch):
    with pytest.raises(CorpusError, match="no connection"):
        download(RemoteFile("http://127.0.0.1:9/a.zip"), target, sleep=lambda seconds: None)


def test_more_than_there_is_begins_anew(site, target):
    target.with_name("a.zip.part").write_bytes(CONTENT + b"more")
    target.with_name("a.zip.validator").write_text('"1"')
    fetch(site, target)
    assert target.read_bytes() == CONTENT
