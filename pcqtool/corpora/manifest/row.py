"""One row of a manifest, and its conversion to an utterance."""

from __future__ import annotations

import math
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PureWindowsPath

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.conformance import utterance_problems
from pcqtool.corpora.manifest.table import TableRow
from pcqtool.errors import CorpusError, SettingsError
from pcqtool.labels import canonical, normalise_label

REQUIRED = ("file_name", "label")
COLUMNS = (*REQUIRED, "speaker", "session", "text_id", "start_s", "end_s", "channel")
TOLERANCE_S = 0.1  # a rounded end may be beyond the end of the file
_NO_LENGTH = ("MP3", "OGG")  # the header states no length, or only the length of the first of several streams


@dataclass(frozen=True)
class ManifestRow:
    """A row of a manifest, unchecked."""

    place: str  # file and line, for messages: ``…/metadata.csv, line 3``
    folder: Path  # the folder that ``file_name`` is relative to
    cells: TableRow  # values by column

    @property
    def path(self) -> Path | None:
        """The recording; None if the row names none, or it does not exist."""
        name = _text(self.cells, "file_name")
        with suppress(CorpusError):
            return None if name is None else self._path(name)
        return None

    def utterance(self, accepted: Collection[str] = ()) -> Utterance:
        """Convert the row to an utterance.

        Args:
            accepted: labels that are valid besides the vocabulary, in lower case.

        Raises:
            CorpusError: if a cell is missing or invalid, or the file does not exist.
        """
        file_name, label = _text(self.cells, "file_name"), _text(self.cells, "label")
        if file_name is None or label is None:
            absent = " and ".join(column for column in REQUIRED if _text(self.cells, column) is None)
            raise CorpusError(f"no {absent}", f"The columns are: {', '.join(map(str, self.cells))}.")
        channel = _number(self.cells, "channel")
        if channel is not None and not channel.is_integer():
            raise CorpusError(f"channel is {channel:g}, not a whole number")
        utterance = Utterance(
            self._path(file_name),
            label,
            speaker=_text(self.cells, "speaker"),
            session=_text(self.cells, "session"),
            text_id=_text(self.cells, "text_id"),
            start_s=_number(self.cells, "start_s"),
            end_s=_number(self.cells, "end_s"),
            channel=None if channel is None else int(channel),
        )
        for _, problem in utterance_problems(utterance):
            raise CorpusError(problem, "Correct this cell.")
        known = normalise_label(label) if normalise_label(label) in accepted else _canonical(label)
        _check_excerpt(utterance)
        return replace(utterance, label=known)

    def _path(self, file_name: str) -> Path:
        """Return the path of the recording, whose name may have the backslashes of Windows."""
        for name in (file_name, PureWindowsPath(file_name).as_posix()):
            if (path := self.folder / name).is_file():
                return path
        raise CorpusError(f"no such file: {self.folder / file_name}", f"file_name is relative to {self.folder}.")


def _canonical(label: str) -> str:
    try:
        return canonical(label)
    except SettingsError as error:
        raise CorpusError(error.what, f"{error.hint} Or translate it in a file for --map.") from error


def _check_excerpt(utterance: Utterance) -> None:
    """Check that the file contains the times and the channel, as far as its header states them."""
    start_s, end_s = utterance.start_s or 0.0, utterance.end_s
    if utterance.start_s is None and end_s is None and utterance.channel is None:
        return
    duration_s, n_channels = _header(utterance.path)
    if start_s >= duration_s or (end_s or 0.0) > duration_s + TOLERANCE_S:
        time = f"start_s {start_s:g}" if start_s >= duration_s else f"end_s {end_s:g}"
        raise CorpusError(
            f"{time} is outside {utterance.path}, which is {duration_s:g} s long",
            "Times are in seconds from the file's start.",
        )
    if utterance.channel is not None and utterance.channel >= n_channels:
        raise CorpusError(f"channel {utterance.channel} of {utterance.path}, which has {n_channels:g} (counted from 0)")


@lru_cache(maxsize=1024)  # a file often has several successive rows
def _header(path: Path) -> tuple[float, float]:
    """Read duration (seconds) and number of channels from a file's header; infinite if it does not state them."""
    import soundfile

    try:
        with path.open("rb") as file:  # given the name "-", libsndfile would read stdin
            info = soundfile.info(file)
    except (soundfile.SoundFileError, TypeError, OSError):  # not a format of libsndfile; decoding reports any fault
        return math.inf, math.inf
    has_length = info.frames > 0 and info.format not in _NO_LENGTH
    return (info.frames / info.samplerate if has_length else math.inf), info.channels


def _text(row: TableRow, column: str) -> str | None:
    """Return a cell as text: None if it is empty or NaN, and whole numbers (speakers, say) without ``.0``."""
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
        raise CorpusError(f"{column} is {text!r}, not a number of at least 0")
    return number
