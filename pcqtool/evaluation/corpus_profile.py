"""Profiles of a test corpus: its recordings, without their labels, standardise the inputs of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.arguments import StrPath
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.batch.profiling import AUTO, BY, BY_SPEAKER, check_has_profile, open_profile
from pcqtool.corpora.base import Utterance
from pcqtool.errors import SettingsError
from pcqtool.model.predictor import Predictor
from pcqtool.model.profile import Profile
from pcqtool.model.profile_file import OFF, BatchProfile
from pcqtool.progress import OnProgress, Progress, ignore
from pcqtool.training.data import SegmentSet

PROFILE_NOTES = {
    AUTO: "Inputs were standardised by the unlabelled test recordings.",
    OFF: "Inputs were standardised by the training data.",
    BY_SPEAKER: "Inputs were standardised by the unlabelled test recordings, those of each speaker on their own.",
}
"""Sentences on what the inputs were standardised by."""

Logits = NDArray[np.float64]

_BATCH = 32


@dataclass(frozen=True)
class CorpusProfiles:
    """The profiles by which a corpus is standardised.

    Attributes:
        profiles: of the corpus, then of groups; none for the training data's own.
        groups: ``(S,)``, number of each segment's profile.
        note: a sentence for the result; empty for a model without profiles.
    """

    profiles: Sequence[Profile]
    groups: NDArray[np.int64]
    note: str

    def predict_logits(
        self, predictor: Predictor, data: SegmentSet, on_progress: OnProgress = ignore
    ) -> tuple[list[Logits], list[Logits]]:
        """Predict the logits ``(n, L)`` of the segments of each utterance, up to a constant for each segment.

        Returns:
            Logits that are divided by the temperature, and logits that are not.
        """
        if self.profiles:
            predictor.use_profiles(self.profiles)
        calibrated = []
        for rows in _batches(data, "segments predicted", on_progress):
            groups = self.groups[rows] if self.profiles else None
            calibrated.append(predictor.log_probs(data.waves(rows), data.n_samples[rows], groups))
        used: Sequence[Profile | None] = self.profiles or [None]
        temperatures = np.array([predictor.temperature(each) for each in used])[self.groups]
        starts = np.flatnonzero(np.diff(data.utterance)) + 1
        logits = np.concatenate(calibrated)
        return np.split(logits, starts), np.split(logits * temperatures[:, None], starts)

    def temperature(self, predictor: Predictor) -> float:
        """Return the temperature of the corpus's profile, or of the training data's."""
        return predictor.temperature(self.profiles[0] if self.profiles else None)

    def noted_on(self, leakage: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is known of leakage, with the note."""
        return {**leakage, "leakage": f"{leakage['leakage']} {self.note}".rstrip()}


def choose_profiles(
    choice: StrPath | BatchProfile,
    predictor: Predictor,
    utterances: Sequence[Utterance],
    data: SegmentSet,
    on_progress: OnProgress = ignore,
) -> CorpusProfiles:
    """Measure or read the profiles of a corpus.

    Args:
        choice: ``auto``, ``off``, ``by=speaker``, or a profile or its file.
        predictor: the model.
        utterances: the corpus's list.
        data: its segments.
        on_progress: called with segments measured.

    Raises:
        SettingsError: if the choice is not valid, or the model uses no profiles.
        ProfileError: if the profile cannot be read, or was measured for another model.
    """
    alike = np.zeros(len(data.utterance), np.int64)
    if choice in (AUTO, OFF):
        if not predictor.config.has_profile:
            return CorpusProfiles((), alike, "")
        if choice == OFF:
            return CorpusProfiles((), alike, PROFILE_NOTES[OFF])
        whole = Profile.measured(_moments(predictor, data, on_progress), data.n_samples / SAMPLE_RATE)
        return CorpusProfiles([whole], alike, PROFILE_NOTES[AUTO])
    check_has_profile(predictor.config)
    if choice == BY_SPEAKER:
        return _of_speakers(predictor, utterances, data, on_progress)
    if isinstance(choice, str) and choice.startswith(BY):
        raise SettingsError(f"--profile {choice}: a corpus is grouped by speakers", f"Use {BY_SPEAKER}.")
    given, origin = open_profile(choice, predictor.config, predictor.sha256)
    of_utterance = np.array([given.group_of(utterance.path.as_posix()) for utterance in utterances])
    profiles = given.shrunk(predictor.profile_s) if given.n_files else ()
    return CorpusProfiles(profiles, of_utterance[data.utterance], f"Inputs were standardised by the profile {origin}.")


def _of_speakers(
    predictor: Predictor, utterances: Sequence[Utterance], data: SegmentSet, on_progress: OnProgress
) -> CorpusProfiles:
    """Measure the profile of the corpus, and that of each speaker, shrunk towards it."""
    if any(utterance.speaker is None for utterance in utterances):
        raise SettingsError(f"--profile {BY_SPEAKER}: the corpus does not name all speakers", "Use --profile auto.")
    moments, durations_s = _moments(predictor, data, on_progress), data.n_samples / SAMPLE_RATE
    whole = Profile.measured(moments, durations_s)
    speakers = sorted({str(utterance.speaker) for utterance in utterances})
    numbers = np.array([speakers.index(str(utterance.speaker)) for utterance in utterances])[data.utterance]
    own = (
        Profile.measured(moments[chosen], durations_s[chosen])
        for chosen in (numbers == n for n in range(len(speakers)))
    )
    profiles = [whole, *(each.shrunk_towards(whole, predictor.profile_s) for each in own)]
    return CorpusProfiles(profiles, numbers + 1, PROFILE_NOTES[BY_SPEAKER])


def _moments(predictor: Predictor, data: SegmentSet, on_progress: OnProgress) -> NDArray[np.float64]:
    """Compute the moments ``(S, 2, C)`` of all segments."""
    batches = _batches(data, "segments measured", on_progress)
    return np.concatenate([predictor.moments(data.waves(rows), data.n_samples[rows]) for rows in batches])


def _batches(data: SegmentSet, unit: str, on_progress: OnProgress) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of all segments in batches, and report how many are done."""
    on_progress(Progress(0, len(data.samples), unit))
    for rows in data.batches(_BATCH):
        yield rows
        on_progress(Progress(int(rows[-1]) + 1, len(data.samples), unit))
