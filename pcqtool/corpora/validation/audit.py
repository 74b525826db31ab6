"""The audit of a copy of a corpus: decode every recording and name every fault."""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pcqtool.audio.discover import EXTENSIONS
from pcqtool.corpora.base import Corpus, Utterance
from pcqtool.corpora.conformance import TEXT_FIELDS, utterance_problems
from pcqtool.corpora.faults import Fault, FaultKind, FaultsError
from pcqtool.corpora.files import find_files
from pcqtool.corpora.release import Expected, expected_of
from pcqtool.corpora.validation.audio_summary import AudioSummary, summarise_all
from pcqtool.corpora.validation.duplicates import ambiguous_names, duplicate_recordings, split_notes
from pcqtool.errors import CorpusError, TerminatedError
from pcqtool.plugins.isolation import one_line, stdout_to_stderr

TOLERANCE_S = 0.05  # tables may round a time to beyond the end of its file


@dataclass(frozen=True)
class Audit:
    """The result of an audit."""

    utterances: tuple[Utterance, ...]  # the corpus's list, in its order, with absolute paths
    hours: float  # total duration of the utterances
    faults: tuple[Fault, ...]  # sorted by kind, then by file
    notes: tuple[str, ...]  # facts that are not faults, but matter for splits


def audit(
    corpus: Corpus, root: Path, n_jobs: int = 1, show_progress: Callable[[int], Callable[[], None]] | None = None
) -> Audit:
    """Compare a corpus's list with the recordings below its root, and both with the published contents.

    Args:
        corpus: the corpus, opened at ``root``.
        root: its folder, or its table.
        n_jobs: number of threads that decode recordings.
        show_progress: takes the number of recordings; returns a function to call after each one.

    Raises:
        CorpusError: if the file of published digests cannot be read.
    """
    expected = expected_of(type(corpus))
    utterances, faults = _list(corpus)
    listed, found = {each.path for each in utterances}, _recordings_below(root)
    present = [path for path in sorted(listed | found) if path.is_file()]
    audio = summarise_all(present, n_jobs, show_progress(len(present)) if show_progress else lambda: None)
    known = {fault.path for fault in faults}
    absent = sorted(listed - set(present) - known)
    faults += [Fault(FaultKind.MISSING, "is listed, but missing", path) for path in absent]
    faults += [Fault(FaultKind.UNREADABLE, each.problem, path) for path, each in audio.items() if each.problem]
    faults += [fault for each in utterances for fault in _excerpt_faults(each, audio.get(each.path))]
    faults += _label_faults(corpus, utterances)
    faults += _digest_faults(expected.read_digests(), audio, listed)
    faults += duplicate_recordings(utterances, audio)
    faults += ambiguous_names(utterances)
    faults += _count_faults(expected, utterances)
    unlisted = sorted(found - listed - known) if utterances else []
    notes = [*split_notes(utterances), *_audio_notes(audio)]
    if expected.exhaustive and root.is_dir():
        faults += [Fault(FaultKind.EXTRA, "is not listed", path) for path in unlisted]
    elif unlisted:
        notes.append(f"{len(unlisted)} recordings are not listed, first {unlisted[0]}")
    seconds = sum(_duration_s(each, audio.get(each.path)) for each in utterances)
    return Audit(tuple(utterances), seconds / 3600, tuple(sorted(set(faults), key=_sort_key)), tuple(notes))


def _sort_key(fault: Fault) -> tuple[int, str, str]:
    return list(FaultKind).index(fault.kind), str(fault.path or ""), fault.what


def _list(corpus: Corpus) -> tuple[list[Utterance], list[Fault]]:
    """Return the valid utterances; any exception of a plugin, and any invalid value, becomes a fault."""
    name = type(corpus).__name__
    try:
        with stdout_to_stderr():
            listed, faults = list(corpus.utterances()), []
    except FaultsError as error:
        listed, faults = list(error.found), list(error.faults)
    except CorpusError as error:
        return [], [Fault(FaultKind.LISTING, error.what)]
    except (KeyboardInterrupt, TerminatedError):
        raise
    except BaseException as error:
        return [], [Fault(FaultKind.LISTING, f"{name} fails: {one_line(error)}")]
    if not all(isinstance(each, Utterance) and isinstance(each.path, Path) for each in listed):
        return [], [Fault(FaultKind.LISTING, f"{name} lists something other than Utterances with a Path")]
    faults = [replace(each, path=_absolute(each.path) if each.path else None) for each in faults]
    utterances = [replace(each, path=_absolute(each.path)) for each in listed]
    problems = [(each, *problem) for each in utterances for problem in utterance_problems(each)]
    for each, field, what in problems:
        faults.append(Fault(FaultKind.LISTING if field in TEXT_FIELDS else FaultKind.OUTSIDE, what, each.path))
    invalid = {id(each) for each, _, _ in problems}
    return [each for each in utterances if id(each) not in invalid], faults


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (Path.absolute keeps "..", so that a file has several paths)


def _recordings_below(root: Path) -> set[Path]:
    return set(find_files(_absolute(root if root.is_dir() else root.parent), *EXTENSIONS))


def _excerpt_faults(utterance: Utterance, audio: AudioSummary | None) -> Iterator[Fault]:
    """Yield faults for times or a channel outside the file, and for a silent excerpt of a file that is not silent."""
    if audio is None or not audio.n_channels:
        return
    channel, start_s, end_s = utterance.channel, utterance.start_s or 0.0, utterance.end_s
    times = f"{start_s:g} to {'its end' if end_s is None else f'{end_s:g}'} s"
    if channel is not None and channel >= audio.n_channels:
        what = f"has channel {channel}, but the file has {audio.n_channels} channels, counted from 0"
        yield Fault(FaultKind.OUTSIDE, what, utterance.path)
    if (start_s if end_s is None else end_s) > audio.duration_s + TOLERANCE_S:
        yield Fault(FaultKind.OUTSIDE, f"{times} of a file of {audio.duration_s:.2f} s", utterance.path)
    if not audio.is_silent() and audio.is_silent(channel, start_s, math.inf if end_s is None else end_s):
        where = "" if channel is None else f"channel {channel} "
        when = "" if utterance.start_s is None and end_s is None else f", {times}"
        yield Fault(FaultKind.UNREADABLE, f"{where}contains nothing but silence{when}", utterance.path)


def _audio_notes(audio: Mapping[Path, AudioSummary]) -> Iterator[str]:
    """Yield a sentence for each unusual way in which recordings are processed."""
    paths: dict[str, list[Path]] = defaultdict(list)
    for path, summary in audio.items():
        if summary.note:
            paths[summary.note].append(path)
    for note, ones in paths.items():
        more = f" and {len(ones) - 1} more" if len(ones) > 1 else ""
        yield f"{ones[0].name}{more}: {note}"


def _label_faults(corpus: Corpus, utterances: list[Utterance]) -> Iterator[Fault]:
    try:
        labels = set(corpus.labels)
    except CorpusError:  # from a table whose faults are known already
        return
    for each in utterances:
        if each.label not in labels:
            yield Fault(FaultKind.MISLABELLED, f"{each.label!r} is not one of the corpus's labels", each.path)


def _digest_faults(
    published: Mapping[str, str], audio: Mapping[Path, AudioSummary], listed: set[Path]
) -> Iterator[Fault]:
    """Compare names and sounds with the published ones."""
    if not published:
        return
    names = {digest: name for name, digest in published.items()}
    for name in sorted(published.keys() - {path.name for path in audio}):
        yield Fault(FaultKind.MISSING, f"{name} was published, but is missing")
    for path, summary in audio.items():
        expected, original = published.get(path.name), names.get(summary.digest)
        if expected is None and path in listed:
            yield Fault(FaultKind.EXTRA, "no recording of this name was published", path)
        if summary.digest and summary.digest != expected and original is not None:
            kind = FaultKind.MISLABELLED if path in listed else FaultKind.EXTRA
            yield Fault(kind, f"contains the sound that was published as {original}", path)
        elif summary.digest and expected is not None and summary.digest != expected:
            yield Fault(FaultKind.ALTERED, "differs from the recording that was published under this name", path)


def _count_faults(expected: Expected, utterances: list[Utterance]) -> Iterator[Fault]:
    groups = (
        ("", {"utterances": expected.total}, {"utterances": len(utterances)}),
        ("", expected.by_label, Counter(each.label for each in utterances)),
        ("speaker ", expected.by_speaker, Counter(each.speaker or "unknown" for each in utterances)),
    )
    for what, published, found in groups:
        for name in {**published, **found} if published else ():
            number = published.get(name, 0)
            if number is not None and number != found.get(name, 0):
                yield Fault(FaultKind.COUNT, f"{what}{name}: {found.get(name, 0)} found, {number} published")


def _duration_s(utterance: Utterance, audio: AudioSummary | None) -> float:
    end_s = audio.duration_s if audio else 0.0
    return max(0.0, min(end_s, utterance.end_s or end_s) - (utterance.start_s or 0.0))
