"""Measuring a profile from Python: ``pcqtool.profile``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Unpack

from pcqtool.arguments import StrPath, as_list, as_path
from pcqtool.batch.job import ReadingOptions, find_recordings, split_options
from pcqtool.batch.names import name_recordings
from pcqtool.batch.profiling import check_has_profile
from pcqtool.errors import AudioError
from pcqtool.files.display import display_path
from pcqtool.labelling.settings import LabelSettings
from pcqtool.model.directory import find, model_sha256, read_config
from pcqtool.model.encoder_search import search_path
from pcqtool.model.profile_file import BatchProfile, check_grouping, write_profile
from pcqtool.progress import OnProgress, ignore

_log = logging.getLogger(__name__)


class ProfileOptions(ReadingOptions, total=False):
    """Options of ``profile``: those of ``label`` that concern the reading of recordings."""

    precision: str


def profile(
    inputs: StrPath | Iterable[StrPath],
    out: StrPath | None = None,
    *,
    model: StrPath | None = None,
    by: str = "",
    encoder_dir: Sequence[StrPath] | None = None,
    device: str = "auto",
    listed: Iterable[str] | None = None,
    on_progress: OnProgress = ignore,
    **options: Unpack[ProfileOptions],
) -> BatchProfile:
    """Measure the sound of a batch: statistics of a model's features over a bounded sample of its speech.

    Args:
        inputs: files, folders or patterns, as for ``pcqtool.label``.
        out: the file to write; None for no file.
        model: name of a bundled model, or a model directory; None for the bundled default.
        by: regular expression whose first group names the group of a recording, in the name that it has relative to
            the inputs' common folder; empty without groups.
        encoder_dir: where to look for an encoder that the model names but does not contain.
        device: as for ``pcqtool.label``.
        listed: further inputs, such as the lines of a list.
        on_progress: is called with the number of measured recordings.
        **options: those of ``pcqtool.label`` that concern reading: ``channels``, ``vad`` and so on.

    Raises:
        SettingsError: if an option or input is not valid, or the model uses no profiles.
        ModelError: if the model is missing or damaged.
        AudioError: if no recording with speech was found.
        FileError: if the file cannot be written.

    Examples:
        >>> import pcqtool
        >>> calls = pcqtool.profile("calls", "calls.profile")  # doctest: +SKIP
        >>> results = pcqtool.label("calls", profile=calls)  # doctest: +SKIP
    """
    from pcqtool.batch.sample import measure
    from pcqtool.labelling.task import Labelling

    settings, _ = split_options(options, LabelSettings)
    check_grouping(by)
    directory = find(model)
    config = read_config(directory)
    check_has_profile(config)
    found, root, skipped = find_recordings(inputs, None if listed is None else as_list(listed))
    for folder, reason in skipped.items():
        _log.warning("%s: %s", display_path(folder), reason)
    encoders = search_path(encoder_dir, download=model is not None)
    task = Labelling.load(directory, str(device), encoders, settings)
    sources = name_recordings(found, root, {})
    measured = measure(task, sources, config.name, model_sha256(directory), by, on_progress)
    if not measured.n_files:
        raise AudioError("none of the recordings that were tried has speech", "See their rows with `pcqtool label`.")
    if out is not None:
        write_profile(as_path(out), measured)
    return measured
