"""One line of a manifest: what it says, and whether that can be."""

from __future__ import annotations

import math
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PureWindowsPath

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.listed import NAMES, fault_of
from pcqtool.corpora.manifest.table import TableRow
from pcqtool.errors import CorpusError, SettingsError
from pcqtool.labels import canonical, plain

REQUIRED = ("file_name", "label")
COLUMNS = (*REQUIRED, "speaker", "session", "text_id", "start_s", "end_s", "channel")
TOLERANCE_S = 0.1  # by which rounding may put an utterance's end behind that of its file
_UNSURE = ("MP3", "OGG")  # whose headers do not tell their length, or only that of the first of several streams


@dataclass(frozen=True)
class ManifestRow:
    """A row, as it was found.

    Attributes:
        place: where a person would look for it: ``…/metadata.csv, line 3``.
        folder: what ``file_name`` is relative to.
        row: its cells.
    """

    place: str
    folder: Path
    row: TableRow

    @property
    def path(self) -> Path | None:
        """The recording that it is about; None if it names none that is there."""
        name = _text(self.row, "file_name")
        with suppress(CorpusError):
            return None if name is None else self._path(name)
        return None

    def utterance(self, also: Collection[str] = ()) -> Utterance:
        """Read the row.

        Args:
            also: labels outside the vocabulary that are let through, in lower case.

        Raises:
            CorpusError: if a cell is missing or has a value that cannot be, or the file is not there.
        """
        file_name, label = _text(self.row, "file_name"), _text(self.row, "label")
        if file_name is None or label is None:
            absent = " and ".join(column for column in REQUIRED if _text(self.row, column) is None)
            raise CorpusError(f"no {absent}", f"The columns are: {', '.join(map(str, self.row))}.")
        if what := next((what for name in NAMES if (what := fault_of(name, _text(self.row, name)))), None):
            raise CorpusError(what, "Give it another name.")
        channel = _number(self.row, "channel")
        if channel is not None and not channel.is_integer():
            raise CorpusError(f"channel is {channel:g}, not a whole number")
        utterance = Utterance(
            self._path(file_name),
            plain(label) if plain(label) in also else _known(label),
            speaker=_text(self.row, "speaker"),
            session=_text(self.row, "session"),
            text_id=_text(self.row, "text_id"),
            start_s=_number(self.row, "start_s"),
            end_s=_number(self.row, "end_s"),
            channel=None if channel is None else int(channel),
        )
        _check_times(utterance)
        return utterance

    def _path(self, file_name: str) -> Path:
        """Find the recording; a name with backslashes, as Windows writes it, is found too."""
        for name in (file_name, PureWindowsPath(file_name).as_posix()):
            if (path := self.folder / name).is_file():
                return path
        raise CorpusError(f"no such file: {self.folder / file_name}", f"file_name is relative to {self.folder}.")


def _known(label: str) -> str:
    try:
        return canonical(label)
    except SettingsError as error:
        raise CorpusError(error.what, f"{error.hint} Or say in a file for --map what it is.") from error


def stretch(utterance: Utterance) -> tuple[object, ...]:
    """Give what two utterances must not have in common."""
    return os.path.normpath(utterance.path), utterance.start_s or 0.0, utterance.end_s, utterance.channel


def _check_times(utterance: Utterance) -> None:
    """Check that there is such a stretch and such a channel; what a header does not tell is not checked."""
    start_s, end_s = utterance.start_s or 0.0, utterance.end_s
    if end_s is not None and end_s <= start_s:
        raise CorpusError(f"end_s {end_s:g} is not after start_s {start_s:g}")
    if utterance.start_s is None and end_s is None and utterance.channel is None:
        return
    length_s, n_channels = _header(utterance.path)
    if start_s >= length_s or (end_s or 0.0) > length_s + TOLERANCE_S:
        time = f"start_s {start_s:g}" if start_s >= length_s else f"end_s {end_s:g}"
        raise CorpusError(
            f"{time} is outside {utterance.path}, which is {length_s:g} s long", "Times are seconds from its start."
        )
    if utterance.channel is not None and utterance.channel >= n_channels:
        raise CorpusError(f"channel {utterance.channel} of {utterance.path}, which has {n_channels:g}: the first is 0")


@lru_cache(maxsize=1024)  # the rows of a file often follow each other
def _header(path: Path) -> tuple[float, float]:
    """Read length in seconds and number of channels from a file's header; infinite where it does not tell."""
    import soundfile

    try:
        with path.open("rb") as file:  # by its name, libsndfile would take "-" for stdin
            info = soundfile.info(file)
    except (soundfile.SoundFileError, TypeError, OSError):  # none that libsndfile knows; who reads the audio will see
        return math.inf, math.inf
    sure = info.frames > 0 and info.format not in _UNSURE
    return (info.frames / info.samplerate if sure else math.inf), info.channels


def _text(row: TableRow, column: str) -> str | None:
    """Read a cell as text; empty and NaN are None, and a whole number (a speaker, say) has no ``.0``."""
    value = row.get(column)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else value
    text = "" if value is None else str(value).strip()
    return text or None


def _number(row: TableRow, column: str) -> float | None:
    text = _text(row, column)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise CorpusError(f"{column} is {text!r}, not a number from 0 on")
    return number
