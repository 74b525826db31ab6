"""Labelling from Python: ``pcqtool.label``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from pcqtool.arguments import StrPath, as_list, as_path
from pcqtool.audio.turns import read_turns
from pcqtool.batch.job import Job, JobOptions, find_recordings, split_options
from pcqtool.batch.output import RunOutput
from pcqtool.batch.profiling import AUTO, Profiling
from pcqtool.batch.results import Results, run_job
from pcqtool.batch.shard import Shard
from pcqtool.exports.api import export_copy, table_and_copy
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.task import SCHEMAS
from pcqtool.model.directory import ModelConfig, find, model_sha256, read_config
from pcqtool.model.encoder_search import search_path
from pcqtool.progress import OnProgress, ignore

if TYPE_CHECKING:
    from pcqtool.labelling.task import Labelling
    from pcqtool.model.profile_file import BatchProfile


class LabelOptions(JobOptions, total=False):
    """Options of ``label``: those of every job, and the fields of ``LabelSettings``."""

    aggregation: str | None
    min_confidence: float | None
    precision: str
    runtime: str
    event_confidence: float
    event_min_duration_s: float
    event_gap_s: float


def label_job(
    inputs: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    model: StrPath | None = None,
    encoder_dir: Sequence[StrPath] | None = None,
    device: str = "auto",
    listed: Iterable[str] | None = None,
    shard: str = "1/1",
    profile: StrPath | BatchProfile = AUTO,
    turns: StrPath | None = None,
    **options: Unpack[LabelOptions],
) -> Job:
    """Prepare a labelling job, which can be planned and run. Arguments and errors are those of ``label``."""
    settings, run_options = split_options(options, LabelSettings)
    if turns is not None:
        settings = replace(settings, turns=read_turns(as_path(turns)))
    share = Shard.parse(shard)
    found = find_recordings(inputs, None if listed is None else as_list(listed))
    directory = find(model)
    config = read_config(directory)
    provenance = settings.provenance(config, sha256 := model_sha256(directory))
    profiling = Profiling.choose(profile, config, sha256)
    columns = {kind: schema(config.labels).names for kind, schema in SCHEMAS.items()}
    output = RunOutput(as_path(out), provenance, columns, share)

    def load() -> Labelling:
        from pcqtool.batch.prefetch import start_decoder_server

        start_decoder_server(settings)
        from pcqtool.labelling.task import Labelling  # loads more, while the decoders are loaded

        encoders = search_path(encoder_dir, download=model is not None)
        return Labelling.load(directory, str(device), encoders, settings, output.profile)

    announcement = _announcement(config, is_chosen=model is not None)
    return Job(output, *found, load, run_options, announcement, profiling, config.license, settings.turns)


def _announcement(config: ModelConfig, is_chosen: bool) -> str:
    """Return a line on the model; a model that the user has chosen is announced only if its license is known."""
    license_note = f"; license {config.license}" if config.license else ""
    if is_chosen:
        return f"model: {config.name}{license_note}" if license_note else ""
    return f"model: {config.name} (bundled){license_note}; {config.trained_on}"


def label(
    inputs: StrPath | Iterable[StrPath],
    out: StrPath | None = None,
    *,
    model: StrPath | None = None,
    encoder_dir: Sequence[StrPath] | None = None,
    device: str = "auto",
    listed: Iterable[str] | None = None,
    shard: str = "1/1",
    profile: StrPath | BatchProfile = AUTO,
    turns: StrPath | None = None,
    on_progress: OnProgress = ignore,
    **options: Unpack[LabelOptions],
) -> Results:
    """Predict emotions for recordings: probabilities per segment, and per file and channel; and events.

    A recording that cannot be read becomes a row with the reason. A second run into the same ``out`` processes only
    new and changed recordings.

    Args:
        inputs: files, folders (searched recursively) or patterns; one or several.
        out: a ``.parquet`` file, or a directory for a table in parts; None keeps the tables with the returned object.
            With ``x.csv`` or ``x.xlsx``, the tables are ``x.parquet`` and what is beside it, which later runs continue;
            a copy in that format is written when the run is done.
        model: name of a bundled model, or a model directory; None for the bundled default.
        encoder_dir: where to look for an encoder that the model names but does not contain: its directory, or folders
            of several; None for the environment variable PCQTOOL_ENCODERS.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``; several GPUs as ``cuda:0,cuda:1`` or ``cuda:all``.
        listed: further inputs, such as the lines of a list; they need not exist.
        shard: ``I/N`` for the I-th of N shares of the inputs, into a directory.
        profile: what the model's inputs are standardised by. ``auto`` is the output's own profile, which the first run
            measures on its recordings; ``by=REGEX`` also measures one for each group of recordings, named by the first
            group of the expression in the file's name; a profile or its file was measured before, as by
            ``pcqtool.profile``; ``off`` means the training data's own statistics.
        turns: who speaks when: an RTTM file, or a folder of them. Each speaker then has rows of their own.
        on_progress: is called with the number of finished files.
        **options: see ``LabelOptions``; for example ``channels="split"``, ``min_confidence=0.6``, ``restart=True``.

    Raises:
        SettingsError: if an option or input is not valid.
        ModelError: if the model is missing or damaged.
        ProfileError: if a profile is missing, damaged, or was measured for another model.
        TableError: if the output cannot be written, or holds results with other settings, or a copy cannot hold them.
        LockedError: if another run is writing to the output.
        StoppedError: if more recordings failed than ``max_failures``.

    Examples:
        >>> import pcqtool
        >>> results = pcqtool.label("examples/recordings")
        >>> results.files.select("file", "label", "status").head(2)  # doctest: +SKIP
    """

    def prepare(path: Path) -> Job:
        return label_job(
            inputs,
            path,
            model=model,
            encoder_dir=encoder_dir,
            device=device,
            listed=listed,
            shard=shard,
            profile=profile,
            turns=turns,
            **options,
        )

    if out is None:
        return run_job(prepare, None, on_progress)
    table, copy = table_and_copy(as_path(out))
    results = run_job(prepare, table, on_progress)
    if copy is not None:
        export_copy(results, copy)
    return results
