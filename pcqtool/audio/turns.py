"""Who speaks when: the turns of a diarisation, read from RTTM files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pcqtool.audio.cuts import Span
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.errors import SettingsError
from pcqtool.fingerprint import fingerprint

_N_FIELDS = 8  # SPEAKER, recording, channel, start, duration, two unused, speaker; what follows is optional


class Turn(NamedTuple):
    """A turn of one speaker.

    Attributes:
        speaker: name of the speaker within the recording.
        start_s: start, in seconds from the start of the recording.
        end_s: end, in seconds.
        channel: the recording's channel, counted from 1 as RTTM does.
    """

    speaker: str
    start_s: float
    end_s: float
    channel: str = "1"


@dataclass(frozen=True)
class TurnTable:
    """The turns of many recordings.

    Attributes:
        turns: turns by the name that the RTTM files give the recording.
    """

    turns: Mapping[str, Sequence[Turn]]

    def of(self, file: str) -> Sequence[Turn] | None:
        """Return the turns of a recording: by its name in the tables without the suffix, or by its last part.

        Args:
            file: the recording's name in the tables, such as ``2026/call.wav``.

        Returns:
            Its turns, or None if there are none by the name ``2026/call`` or ``call``.
        """
        path = PurePosixPath(file).with_suffix("")
        return self.turns.get(path.as_posix(), self.turns.get(path.name))

    def hash_of(self, file: str) -> str | None:
        """Return a hash of the turns of a recording, in whatever order they were given; None if there are none."""
        turns = self.of(file)
        return None if turns is None else fingerprint(sorted(turns))


def read_turns(path: Path) -> TurnTable:
    """Read an RTTM file, or all files of a folder that end in ``.rttm``.

    RTTM is the format of NIST's diarisation evaluations (The 2009 RT-09 Rich Transcription Meeting Recognition
    Evaluation Plan, appendix A). Lines of other types than ``SPEAKER`` and comments (``;;``) are ignored.

    Raises:
        SettingsError: if a file cannot be read, a line is not valid, or there is no turn.
    """
    files = sorted(path.rglob("*.rttm")) if path.is_dir() else [path]
    found: dict[str, list[Turn]] = defaultdict(list)
    for file in files:
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, ValueError) as fault:
            raise SettingsError(f"--turns {file}: cannot be read ({fault})") from fault
        for number, line in enumerate(lines, 1):
            if line.startswith("SPEAKER"):
                recording, turn = _parse(line, f"--turns {file}, line {number}")
                found[recording].append(turn)
    if not found:
        raise SettingsError(f"--turns {path}: no turns in it", "Name an RTTM file, or a folder of files *.rttm.")
    return TurnTable({name: tuple(turns) for name, turns in found.items()})


def turns_of_channel(turns: Iterable[Turn], channel: str) -> dict[str, list[Span]]:
    """Return start and end in samples of each speaker's turns in an output channel; ``mix`` has those of all channels.

    Examples:
        >>> turns_of_channel([Turn("A", 0.0, 1.5), Turn("B", 1.0, 2.0, channel="2")], "0")
        {'A': [(0, 24000)]}
    """
    spans: dict[str, list[Span]] = defaultdict(list)
    for turn in turns:
        if channel in ("mix", str(int(turn.channel) - 1)):
            spans[turn.speaker].append((round(turn.start_s * SAMPLE_RATE), round(turn.end_s * SAMPLE_RATE)))
    return dict(sorted(spans.items()))


def _parse(line: str, where: str) -> tuple[str, Turn]:
    fields = line.split()
    try:
        _, recording, channel, start, duration, _, _, speaker, *_ = fields
        turn = Turn(speaker, float(start), float(start) + float(duration), str(int(channel)))
    except ValueError as fault:
        raise SettingsError(
            f"{where}: not a turn in RTTM ({fault})", "SPEAKER file channel start duration …"
        ) from fault
    if not 0 <= turn.start_s <= turn.end_s < float("inf") or int(channel) < 1:
        raise SettingsError(f"{where}: start, duration or channel is not possible", "Times are seconds from 0.")
    return recording, turn
