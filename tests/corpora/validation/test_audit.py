from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.corpora.faults import FaultKind
from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.corpora.release import Expected
from pcqtool.corpora.testing import digests
from pcqtool.corpora.validation.audit import Audit, audit
from pcqtool.errors import CorpusError

REAL = Path(os.environ.get("PCQTOOL_CORPORA", Path(__file__).parents[2].parent / "shared" / "corpora")) / "emodb"
NAMES = ("a_anger_1.wav", "a_neutral_1.wav", "b_anger_1.wav", "b_neutral_1.wav")


class Small:
    """Files named SPEAKER_LABEL_NUMBER.wav; ``expected`` is set by the tests."""

    name = "small"
    title = citation = licence = ""
    url = None
    labels = ("anger", "neutral")

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        return [
            Utterance(path, path.stem.split("_")[1], speaker=path.stem.split("_")[0], text_id="t")
            for path in sorted(self.root.glob("*_*_*.wav"))
        ]


@pytest.fixture
def root(write_wave: Callable[..., Path], tmp_path: Path) -> Path:
    for seed, name in enumerate(NAMES):
        write_wave(f"small/{name}", 0.5, seed=seed)
    return tmp_path / "small"


@pytest.fixture
def published(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sound corpus, with its digests published."""
    file = tmp_path / "small.digests"
    file.write_text(digests(Small(root)))
    counts = {"anger": 2, "neutral": 2}
    monkeypatch.setattr(Small, "expected", Expected(None, counts, {"a": 2, "b": 2}, digests=file), raising=False)
    return root


def faults(found: Audit) -> list[tuple[str, str | None]]:
    return [(fault.kind.value, fault.path.name if fault.path else None) for fault in found.faults]


def test_an_intact_corpus_has_no_faults(published):
    found = audit(Small(published), published, 2)
    assert found.faults == ()
    assert [each.path.name for each in found.utterances] == list(NAMES)
    assert found.hours == pytest.approx(2 / 3600)
    assert found.notes == (
        "no sessions are known",
        "1 of 1 texts occur with several speakers: both sides of a split by speaker contain them",
    )


def test_a_missing_recording_is_a_fault(published):
    (published / NAMES[0]).unlink()
    found = audit(Small(published), published)
    assert [fault.kind for fault in found.faults] == [
        FaultKind.MISSING,
        FaultKind.COUNT,
        FaultKind.COUNT,
        FaultKind.COUNT,
    ]
    assert found.faults[0].what.startswith(NAMES[0])
    assert {fault.what for fault in found.faults[1:]} == {
        "utterances: 3 found, 4 published",
        "anger: 1 found, 2 published",
        "speaker a: 1 found, 2 published",
    }


def test_recordings_that_do_not_belong(published, write_wave):
    write_wave("small/stray.wav", 0.3, seed=9)
    write_wave("small/.hidden.wav", 0.3, seed=10)
    (published / "notes.txt").touch()
    write_wave("small/c_anger_1.wav", 0.3, seed=11)
    found = audit(Small(published), published)
    assert faults(found)[:2] == [("extra", "c_anger_1.wav"), ("extra", "stray.wav")]
    assert {kind for kind, _ in faults(found)[2:]} == {"count"}


@pytest.mark.parametrize("damage", [b"", b"RIFF", b"no sound at all"])
def test_recordings_that_cannot_be_read(published, damage):
    (published / NAMES[1]).write_bytes(damage)
    assert faults(audit(Small(published), published)) == [("unreadable", NAMES[1])]


def test_a_cut_recording_is_unreadable_and_altered(published):
    path = published / NAMES[1]
    path.write_bytes(path.read_bytes()[:5000])
    assert faults(audit(Small(published), published)) == [("unreadable", NAMES[1]), ("altered", NAMES[1])]


def test_two_files_with_each_others_names_are_mislabelled(published):
    first, second = published / NAMES[0], published / NAMES[1]
    other = published / "other"
    first.rename(other)
    second.rename(first)
    other.rename(second)
    found = audit(Small(published), published)
    assert faults(found) == [("mislabelled", NAMES[0]), ("mislabelled", NAMES[1])]
    assert found.faults[0].what == f"contains the sound that was published as {NAMES[1]}"


def test_the_same_sound_with_two_labels_and_two_speakers_without_digests(root):
    shutil.copy(root / NAMES[0], root / "b_neutral_2.wav")
    found = audit(Small(root), root)
    assert [fault.kind for fault in found.faults] == [FaultKind.DUPLICATED, FaultKind.MISLABELLED, FaultKind.LEAKING]
    assert {fault.path.name for fault in found.faults} == {"b_neutral_2.wav"}
    assert "speaker b, but the same sound has a in a_anger_1.wav" in found.faults[2].what


def test_a_copy_that_is_not_listed_is_extra_and_named(published):
    shutil.copy(published / NAMES[0], published / "copy.wav")
    found = audit(Small(published), published)
    assert faults(found) == [("extra", "copy.wav"), ("extra", "copy.wav"), ("duplicated", "copy.wav")]
    assert "published as a_anger_1.wav" in " ".join(fault.what for fault in found.faults)


def test_every_planted_fault_is_found_at_once(published, write_wave):
    (published / NAMES[0]).unlink()
    (published / NAMES[1]).write_bytes(b"")
    shutil.copy(published / NAMES[2], published / "a_neutral_2.wav")
    write_wave("small/stray.flac", 0.3, seed=9)
    write_wave(f"small/{NAMES[3]}", 0.5, seed=10)
    kinds = Counter(fault.kind for fault in audit(Small(published), published).faults)
    for kind in ("missing", "unreadable", "duplicated", "leaking", "mislabelled", "extra", "altered", "count"):
        assert kinds[FaultKind(kind)], kind


def test_a_selection_only_notes_unlisted_recordings(root, write_wave, monkeypatch):
    write_wave("small/stray.wav", 0.3, seed=9)
    monkeypatch.setattr(Small, "expected", Expected(4, exhaustive=False), raising=False)
    found = audit(Small(root), root)
    assert found.faults == ()
    assert any(note.startswith("1 recordings are not listed, first ") for note in found.notes)


def test_labels_of_another_corpus_are_faults(root):
    (root / NAMES[0]).rename(root / "a_calm_1.wav")
    assert faults(audit(Small(root), root)) == [("mislabelled", "a_calm_1.wav")]


def test_speakers_that_differ_only_in_case(root):
    for name in NAMES[2:]:
        (root / name).rename(root / name.replace("b_", "A_"))
    (fault,) = audit(Small(root), root).faults
    assert fault.kind == FaultKind.LEAKING
    assert "'A' (2 utterances) and 'a' (2 utterances)" in fault.what


@pytest.mark.parametrize("wrong", [{"channel": 1}, {"end_s": 0.7}, {"start_s": 0.8}, {"start_s": -1.0}])
def test_excerpts_outside_their_file_are_faults(root, monkeypatch, wrong):
    monkeypatch.setattr(Small, "utterances", lambda self: [Utterance(root / NAMES[0], "anger", **wrong)])
    monkeypatch.setattr(Small, "expected", Expected(exhaustive=False), raising=False)
    assert faults(audit(Small(root), root)) == [("outside", NAMES[0])]


def test_silent_utterances_are_named_and_unusual_channels_are_noted(root):
    rng = np.random.default_rng(0)
    noise, other = rng.normal(0, 0.1, (2, 48000))
    noise[16000:32000] = 0
    soundfile.write(root / "half.wav", np.stack((noise, 0 * noise), 1), 16000)
    for name in ("inverted.wav", "again.wav"):
        other *= 0.9
        soundfile.write(root / name, np.stack((other, -other), 1), 16000)
    rows = ["half.wav,1.0,1.9,", "half.wav,0.0,0.9,", "half.wav,0.0,0.9,1", "half.wav,,,1", "half.wav,,,0"]
    rows += ["inverted.wav,,,", "again.wav,,,1"]
    lines = ("file_name,start_s,end_s,channel,label", *(f"{row},anger" for row in rows))
    (root / "metadata.csv").write_text("\n".join(lines))
    found = audit(Manifest(root), root)
    unreadable = [(fault.path.name, fault.what) for fault in found.faults if fault.kind is FaultKind.UNREADABLE]
    assert unreadable == [
        ("half.wav", "channel 1 contains nothing but silence"),
        ("half.wav", "channel 1 contains nothing but silence, 0 to 0.9 s"),
        ("half.wav", "contains nothing but silence, 1 to 1.9 s"),
    ]
    assert "half.wav: channel 1 is dead; channel 0 is used" in found.notes
    assert "again.wav and 1 more: mixing the channels would cancel them; channel 0 is used" in found.notes


def test_excerpts_of_one_file_are_duplicates_only_if_listed_twice(root, monkeypatch):
    monkeypatch.setattr(Small, "expected", Expected(exhaustive=False), raising=False)
    halves = [Utterance(root / NAMES[0], "anger", start_s=start, end_s=start + 0.25) for start in (0.0, 0.25)]
    monkeypatch.setattr(Small, "utterances", lambda self: halves)
    found = audit(Small(root), root)
    assert (found.faults, found.hours) == ((), pytest.approx(0.5 / 3600))
    monkeypatch.setattr(
        Small, "utterances", lambda self: [*halves, Utterance(root / NAMES[0], "neutral", None, None, None, 0.0, 0.25)]
    )
    assert [fault.kind for fault in audit(Small(root), root).faults] == [FaultKind.DUPLICATED, FaultKind.MISLABELLED]


def test_names_with_dots_are_resolved(root, monkeypatch):
    monkeypatch.setattr(
        Small, "utterances", lambda self: [Utterance(root / "x" / ".." / name, "anger", speaker=name) for name in NAMES]
    )
    (root / "x").mkdir()
    assert audit(Small(root), root).faults == ()


@pytest.mark.parametrize(
    ("error", "text"),
    [(CorpusError("the table is gone", "Get it."), "the table is gone"), (KeyError("x"), "Small fails: KeyError: 'x'")],
)
def test_a_failed_listing_is_a_fault_and_the_recordings_are_still_read(root, monkeypatch, error, text):
    def fail(self):
        raise error

    monkeypatch.setattr(Small, "utterances", fail)
    (root / NAMES[0]).write_bytes(b"")
    found = audit(Small(root), root)
    assert faults(found) == [("listing", None), ("unreadable", NAMES[0])]
    assert found.faults[0].what == text


def test_a_list_of_other_objects_is_a_fault(root, monkeypatch):
    monkeypatch.setattr(Small, "utterances", lambda self: ["a.wav"])
    assert [fault.kind for fault in audit(Small(root), root).faults] == [FaultKind.LISTING]


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        ({"speaker": 3}, "listing", "speaker is 3, a int, not text"),
        ({"label": None}, "listing", "label is None, a NoneType, not text"),
        ({"start_s": float("nan")}, "outside", "start_s is nan"),
        ({"channel": "left"}, "outside", "channel is 'left', a str"),
    ],
)
def test_an_invalid_value_is_a_fault_and_the_other_utterances_are_checked(root, monkeypatch, values, kind, text):
    first, *others = Small(root).utterances()
    monkeypatch.setattr(Small, "utterances", lambda self: [replace(first, **values), *others])
    found = audit(Small(root), root)
    assert [(fault.kind, fault.path, fault.what) for fault in found.faults] == [(kind, first.path, text)]
    assert list(found.utterances) == others


def test_recordings_beside_a_manifest_are_notes_for_a_file_and_extra_for_a_folder(root):
    (root / "metadata.csv").write_text("file_name,label\n" + "".join(f"{name},anger\n" for name in NAMES[:3]))
    assert faults(audit(Manifest(root), root)) == [("extra", NAMES[3])]
    found = audit(Manifest(root / "metadata.csv"), root / "metadata.csv")
    assert found.faults == ()
    assert any("are not listed" in note for note in found.notes)


def test_progress_has_the_total_and_each_recording(root):
    told: list[int] = []

    def watch(total: int) -> Callable[[], None]:
        told.append(total)
        return lambda: told.append(0)

    audit(Small(root), root, 2, watch)
    assert told == [4, 0, 0, 0, 0]


@pytest.mark.skipif(not REAL.is_dir(), reason="EMO-DB is not here")
def test_the_real_corpus_is_whole_and_every_fault_planted_in_a_copy_is_found(tmp_path):
    found = audit(EmoDB(REAL), REAL, 2)
    assert (len(found.utterances), found.faults) == (535, ())
    assert 3600 * found.hours == pytest.approx(1487.09, abs=0.01)

    wav = tmp_path / "wav"
    wav.mkdir()
    for path in (REAL / "wav").iterdir():
        (wav / path.name).symlink_to(path)
    (wav / "03a01Nc.wav").unlink()  # missing
    (wav / "03a01Wa.wav").rename(wav / "03a01Lx.wav")  # under another label
    shutil.copy(wav / "03a02Fc.wav", wav / "my copy.wav")  # extra, duplicated
    shutil.copy(wav / "03a02Nc.wav", wav / "08a02Nc.wav")  # one speaker's sound in another's name
    (wav / "03a02Ta.wav").unlink()
    (wav / "03a02Ta.wav").write_bytes((REAL / "wav" / "03a02Ta.wav").read_bytes()[:-5000])  # cut
    (wav / "03a02Wb.wav").unlink()
    (wav / "03a02Wb.wav").write_bytes(b"")  # empty
    by_file: dict[str | None, set[str]] = {}
    for kind, name in faults(audit(EmoDB(tmp_path), tmp_path, 2)):
        by_file.setdefault(name, set()).add(kind)
    assert by_file == {
        None: {"missing", "count"},
        "03a01Lx.wav": {"extra", "mislabelled"},
        "my copy.wav": {"extra", "duplicated"},
        "08a02Nc.wav": {"extra", "mislabelled", "duplicated", "leaking"},
        "03a02Ta.wav": {"unreadable", "altered"},
        "03a02Wb.wav": {"unreadable"},
    }
