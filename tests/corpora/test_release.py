from __future__ import annotations

import pytest

from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.corpora.release import Download, Expected, downloads_of, expected_of
from pcqtool.errors import CorpusError, SettingsError


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/a/corpus.zip", "corpus.zip"),
        ("https://example.org/a%20b.zip?download=1#x", "a b.zip"),
        ("http://example.org/%2e%2e%2fpart.zip", "part.zip"),
    ],
)
def test_the_name_of_a_download_is_its_addresss_last_part(url, name):
    assert Download(url).name == name


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://example.org/a.zip"},
        {"url": "file:///etc/passwd"},
        {"url": "https://example.org/"},
        {"url": "https://example.org/.."},
        {"url": "https://example.org/a%00b.zip"},
        {"url": "https://example.org/a%0Ab.zip"},
        {"url": "https://[/a.zip"},
        {"checksum": "md5:123"},
        {"checksum": "d41d8cd98f00b204e9800998ecf8427e"},
        {"checksum": "crc32:00000000"},
        {"folder": "/tmp"},
        {"folder": "a/../../b"},
        {"folder": "..\\b"},
    ],
)
def test_an_invalid_download_is_refused_at_its_definition(wrong):
    with pytest.raises(SettingsError):
        Download(**{"url": "https://example.org/a.zip", **wrong})


def test_the_expected_number_of_utterances():
    assert Expected().total is None
    assert Expected(7).total == 7
    assert Expected(by_label={"anger": 2, "fear": 3}).total == 5
    assert Expected(by_speaker={"a": 2}).total == 2


def test_digests_are_read_by_name(tmp_path):
    (tmp_path / "digests").write_text("0123 a.wav\n\nabcd b c.wav\n")
    assert Expected(digests=tmp_path / "digests").read_digests() == {"a.wav": "0123", "b c.wav": "abcd"}
    assert Expected().read_digests() == {}
    (tmp_path / "digests").write_text("0123\n")
    with pytest.raises(CorpusError, match="cannot be read"):
        Expected(digests=tmp_path / "digests").read_digests()


def test_emodb_as_published():
    wanted = expected_of(EmoDB)
    assert wanted.total == sum(wanted.by_speaker.values()) == len(wanted.read_digests()) == 535
    assert set(wanted.by_label) == set(EmoDB.labels)
    assert [each.name for each in downloads_of(EmoDB)] == ["download.zip"]


def test_a_class_without_release_metadata_expects_nothing():
    assert (downloads_of(Manifest), expected_of(Manifest)) == ((), Expected())
