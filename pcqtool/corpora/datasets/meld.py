"""MELD: dialogues of the television series Friends, 304 speakers, 7 emotions, 13 708 utterances as video clips."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pcqtool.corpora import (
    CorpusError,
    Expected,
    Fault,
    FaultKind,
    FaultsError,
    SettingsError,
    TableRow,
    Utterance,
    canonical,
    find_files,
    read_table,
)

SPLITS = ("train", "dev", "test")
SUFFIXES = (".wav", ".flac", ".mp4")  # extracted sound is preferred to the clips
CLIP = re.compile(
    r"(?:.*/)?[^/]*(?P<split>train|dev|test)[^/]*/(?:.+/)?"
    r"(?P<replaced>final_videos_test)?dia(?P<dialogue>\d+)_utt(?P<utterance>\d+)\.\w+",
    re.IGNORECASE,
)
BROKEN = {("train", 125, 3), ("dev", 110, 7)}  # cannot be decoded; was never there
CUT_OFF = {  # a few hundredths of a second, without a word
    *(("train", *each) for each in ((71, 0), (179, 8), (312, 9), (332, 1), (406, 2), (523, 10))),
    *(("dev", *each) for each in ((99, 3), (108, 5))),
}
LEFT_OUT = frozenset(BROKEN | CUT_OFF)

Key = tuple[str, int, int]


class MELD:
    """``train_sent_emo.csv``, ``dev_…``, ``test_…`` and the clips ``train_splits/dia0_utt0.mp4``, at any depth.

    Two clips are missing or broken and eight are cut off: these ten are left out. A clip of the test part that
    was replaced (``final_videos_testdia93_utt6.mp4``) is used in its new form. A session is an episode.
    """

    name = "meld"
    title = "Multimodal EmotionLines Dataset (MELD)"
    labels = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    citation = (
        "S. Poria, D. Hazarika, N. Majumder, G. Naik, E. Cambria, R. Mihalcea: MELD: A Multimodal Multi-Party Dataset "
        "for Emotion Recognition in Conversation. ACL 2019."
    )
    licence = "GPL-3.0; the clips are of a television series."
    url = "https://affective-meld.github.io"
    expected = Expected(
        by_label={
            "anger": 1605,
            "disgust": 361,
            "fear": 358,
            "happiness": 2306,
            "neutral": 6431,
            "sadness": 1002,
            "surprise": 1635,
        },
        exhaustive=False,  # a copy also contains the ten clips that are left out
    )

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """Return the utterances by part, dialogue and position; ``text_id`` is the words in lower case."""
        there = find_files(self.root, ".csv", *SUFFIXES)
        clips = _clips(there)
        rows = {key: row for split in SPLITS for key, row in self._rows(split, there) if key not in LEFT_OUT}
        order = sorted(rows, key=lambda key: (SPLITS.index(key[0]), key))
        found = [_utterance(clips[key], rows[key]) for key in order if key in clips]
        if missing := ["{}: dia{}_utt{}.mp4".format(*key) for key in order if key not in clips]:
            raise FaultsError(
                f"{self.title}: {len(missing)} of {len(rows)} clips are missing in {self.root}, first {missing[0]}",
                "Unpack MELD.Raw.tar.gz and the three archives in it, and keep the folders that they contain.",
                [Fault(FaultKind.MISSING, f"{clip} is labelled, but missing") for clip in missing],
                found,
            )
        return found

    def _rows(self, split: str, there: list[Path]) -> Iterator[tuple[Key, TableRow]]:
        name = f"{split}_sent_emo.csv"
        table = next((path for path in there if path.name == name), None)
        if table is None:
            raise CorpusError(f"{self.title}: no {name} in {self.root}", f"It is part of the download, see {self.url}.")
        for number, row in read_table(table):
            try:
                yield (
                    (split, int(row["Dialogue_ID"]), int(row["Utterance_ID"])),
                    {**row, "label": canonical(row["Emotion"])},
                )
            except (KeyError, ValueError, SettingsError) as error:
                raise CorpusError(f"{table}, line {number}: not a line of MELD: {error}") from error


def _clips(there: list[Path]) -> dict[Key, Path]:
    """Find the clip of each utterance: a replacement before any other, sound before video."""
    clips: dict[Key, Path] = {}
    media = [(path, match) for path in there if (match := CLIP.fullmatch(path.as_posix()))]
    for path, part in sorted(media, key=lambda each: (not each[1]["replaced"], SUFFIXES.index(each[0].suffix.lower()))):
        clips.setdefault((part["split"].lower(), int(part["dialogue"]), int(part["utterance"])), path)
    return clips


def _utterance(path: Path, row: TableRow) -> Utterance:
    return Utterance(
        path,
        row["label"],
        speaker=row["Speaker"],
        session=f"s{int(row['Season']):02}e{int(row['Episode']):02}",
        text_id=re.sub(r"\W+", " ", row["Utterance"]).strip().lower() or None,
    )
