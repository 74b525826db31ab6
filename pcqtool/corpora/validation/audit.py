"""Whether a copy of a corpus is complete and sound: every recording is read, every fault is named."""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pcqtool.audio.discover import EXTENSIONS
from pcqtool.corpora.base import Corpus, Utterance
from pcqtool.corpora.faults import Fault, FaultKind, FaultsError
from pcqtool.corpora.files import find_files
from pcqtool.corpora.groups import leaking, notes
from pcqtool.corpora.release import Expected, expected_of
from pcqtool.corpora.testing.plugin_probe import brief, printing_aside
from pcqtool.corpora.validation.contents import AudioSummary, read_all
from pcqtool.corpora.validation.duplicates import repeated
from pcqtool.errors import CorpusError, TerminatedError

SLACK_S = 0.05  # by which tables may round a time beyond the end of its file


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        utterances: what the corpus lists, in its order, with absolute paths.
        hours: of the utterances.
        faults: by kind, then by file.
        notes: what is no fault, but must be known to split the corpus.
    """

    utterances: tuple[Utterance, ...]
    hours: float
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


def audit(
    corpus: Corpus, root: Path, n_jobs: int = 1, watch: Callable[[int], Callable[[], None]] | None = None
) -> Audit:
    """Check a corpus's list against the recordings below its root, and both against what was published.

    Args:
        corpus: opened at ``root``.
        root: its folder, or its table.
        n_jobs: recordings read at a time.
        watch: takes the number of recordings, gives what to call after each.

    Raises:
        CorpusError: if a file of its published digests cannot be read.
    """
    wanted = expected_of(type(corpus))
    utterances, faults = _list(corpus)
    listed, held = {each.path for each in utterances}, _below(root)
    present = [path for path in sorted(listed | held) if path.is_file()]
    contents = read_all(present, n_jobs, watch(len(present)) if watch else lambda: None)
    known = {fault.path for fault in faults}
    faults += [
        Fault(FaultKind.MISSING, "listed, but not there", path) for path in sorted(listed - set(present) - known)
    ]
    faults += [Fault(FaultKind.UNREADABLE, one.fault, path) for path, one in contents.items() if one.fault]
    faults += [fault for each in utterances for fault in _outside(each, contents.get(each.path))]
    faults += [fault for each in utterances for fault in _silent(each, contents.get(each.path))]
    faults += _foreign_labels(corpus, utterances)
    faults += _unlike_published(wanted.read_digests(), contents, listed)
    faults += repeated(utterances, contents)
    faults += leaking(utterances)
    faults += _miscounted(wanted, utterances)
    unlisted = sorted(held - listed - known) if utterances else []
    told = [*notes(utterances), *_unusual(contents)]
    if wanted.exhaustive and root.is_dir():
        faults += [Fault(FaultKind.EXTRA, "not listed", path) for path in unlisted]
    elif unlisted:
        told.append(f"{len(unlisted)} recordings are not listed, first {unlisted[0]}")
    seconds = sum(_length_s(each, contents.get(each.path)) for each in utterances)
    return Audit(tuple(utterances), seconds / 3600, tuple(sorted(set(faults), key=_place)), tuple(told))


def _place(fault: Fault) -> tuple[int, str, str]:
    return list(FaultKind).index(fault.kind), str(fault.path or ""), fault.what


def _list(corpus: Corpus) -> tuple[list[Utterance], list[Fault]]:
    """List what can be listed; whatever a plugin raises is a fault of the corpus."""
    try:
        with printing_aside():
            found, faults = list(corpus.utterances()), []
    except FaultsError as error:
        found, faults = list(error.found), list(error.faults)
    except CorpusError as error:
        return [], [Fault(FaultKind.LISTING, error.what)]
    except (KeyboardInterrupt, TerminatedError):
        raise
    except BaseException as error:
        return [], [Fault(FaultKind.LISTING, f"{type(corpus).__name__} fails: {brief(error)}")]
    if not all(isinstance(each, Utterance) for each in found):
        return [], [Fault(FaultKind.LISTING, f"{type(corpus).__name__} lists what is no Utterance")]
    faults = [replace(each, path=_absolute(each.path) if each.path else None) for each in faults]
    return [replace(each, path=_absolute(each.path)) for each in found], faults


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (Path.absolute leaves "..", by which a name is not unique)


def _below(root: Path) -> set[Path]:
    """Find the recordings below a root."""
    return set(find_files(_absolute(root if root.is_dir() else root.parent), *EXTENSIONS))


def _outside(utterance: Utterance, contents: AudioSummary | None) -> Iterator[Fault]:
    """Hold an utterance's times and channel against its file."""
    if contents is None or not contents.n_channels:
        return
    channel, start_s, end_s = utterance.channel, utterance.start_s or 0.0, utterance.end_s
    if channel is not None and not 0 <= channel < contents.n_channels:
        what = f"channel {channel} of a file with {contents.n_channels}, counted from 0"
        yield Fault(FaultKind.OUTSIDE, what, utterance.path)
    last_s = start_s if end_s is None else end_s
    if start_s < 0 or (end_s is not None and end_s <= start_s) or last_s > contents.duration_s + SLACK_S:
        yield Fault(
            FaultKind.OUTSIDE, f"{_stretch(utterance)} of a file of {contents.duration_s:.2f} s", utterance.path
        )


def _silent(utterance: Utterance, contents: AudioSummary | None) -> Iterator[Fault]:
    """Name an utterance without sound in a file that has some."""
    if contents is None or not contents.n_channels or contents.is_silent():
        return
    channel, start_s, end_s = utterance.channel, utterance.start_s, utterance.end_s
    if contents.is_silent(channel, start_s or 0.0, math.inf if end_s is None else end_s):
        what = "it" if channel is None else f"channel {channel}"
        place = "" if start_s is None and end_s is None else f", {_stretch(utterance)}"
        yield Fault(FaultKind.UNREADABLE, f"{what} holds nothing but silence{place}", utterance.path)


def _stretch(utterance: Utterance) -> str:
    end_s = utterance.end_s
    return f"{utterance.start_s or 0.0:g} to {'its end' if end_s is None else f'{end_s:g}'} s"


def _unusual(contents: Mapping[Path, AudioSummary]) -> Iterator[str]:
    """Say what recordings are heard otherwise than one would expect."""
    paths: dict[str, list[Path]] = defaultdict(list)
    for path, one in contents.items():
        if one.note:
            paths[one.note].append(path)
    for note, ones in paths.items():
        more = f" and {len(ones) - 1} more" if len(ones) > 1 else ""
        yield f"{ones[0].name}{more}: {note}"


def _foreign_labels(corpus: Corpus, utterances: list[Utterance]) -> list[Fault]:
    try:
        labels = set(corpus.labels)
    except CorpusError:  # of a table that is no better known than its utterances
        return []
    foreign = [each for each in utterances if each.label not in labels]
    return [
        Fault(FaultKind.MISLABELLED, f"{each.label!r} is none of the corpus's labels", each.path) for each in foreign
    ]


def _unlike_published(
    published: Mapping[str, str], contents: Mapping[Path, AudioSummary], listed: set[Path]
) -> Iterator[Fault]:
    """Hold names and sounds against those that were published."""
    if not published:
        return
    names = {digest: name for name, digest in published.items()}
    for name in sorted(published.keys() - {path.name for path in contents}):
        yield Fault(FaultKind.MISSING, f"{name} was published, but is not there")
    for path, one in contents.items():
        own, original = published.get(path.name), names.get(one.digest)
        if own is None and path in listed:
            yield Fault(FaultKind.EXTRA, "no recording of this name was published", path)
        if one.digest and one.digest != own and original is not None:
            kind = FaultKind.MISLABELLED if path in listed else FaultKind.EXTRA
            yield Fault(kind, f"holds what was published as {original}", path)
        elif one.digest and own is not None and one.digest != own:
            yield Fault(FaultKind.ALTERED, "does not hold what was published under this name", path)


def _miscounted(wanted: Expected, utterances: list[Utterance]) -> Iterator[Fault]:
    groups = (
        ("", {"utterances": wanted.total}, {"utterances": len(utterances)}),
        ("", wanted.by_label, Counter(each.label for each in utterances)),
        ("speaker ", wanted.by_speaker, Counter(each.speaker or "unknown" for each in utterances)),
    )
    for what, published, found in groups:
        for name in {**published, **found} if published else ():
            number = published.get(name, 0)
            if number is not None and number != found.get(name, 0):
                yield Fault(FaultKind.COUNT, f"{what}{name}: {found.get(name, 0)}, published are {number}")


def _length_s(utterance: Utterance, contents: AudioSummary | None) -> float:
    end_s = contents.duration_s if contents else 0.0
    return max(0.0, min(end_s, utterance.end_s or end_s) - (utterance.start_s or 0.0))
