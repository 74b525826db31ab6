"""Feature extraction from Python: ``pcqtool.extract``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from pcqtool.arguments import StrPath, as_list, as_path
from pcqtool.batch.job import Job, JobOptions, find_recordings, split_options
from pcqtool.batch.output import RunOutput
from pcqtool.batch.results import Results, run_job
from pcqtool.batch.shard import Shard
from pcqtool.features.settings import FeatureSettings
from pcqtool.features.sources import origin
from pcqtool.model.encoder_search import search_path
from pcqtool.progress import OnProgress, ignore

if TYPE_CHECKING:
    from pcqtool.features.task import Extraction

_log = logging.getLogger(__name__)


class ExtractOptions(JobOptions, total=False):
    """Options of ``extract``: those of every job, and the fields of ``FeatureSettings``."""

    what: str
    of: str
    layer: int | None


def extract_job(
    inputs: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    model: StrPath | None = None,
    encoder: StrPath | None = None,
    encoder_dir: Sequence[StrPath] | None = None,
    device: str = "auto",
    listed: Iterable[str] | None = None,
    shard: str = "1/1",
    **options: Unpack[ExtractOptions],
) -> Job:
    """Prepare an extraction, which can be planned and run. Arguments and errors are those of ``extract``."""
    settings, run_options = split_options(options, FeatureSettings)
    share = Shard.parse(shard)
    found = find_recordings(inputs, None if listed is None else as_list(listed))
    source = origin(settings, model, encoder, search_path(encoder_dir, download=model is not None))
    info = source.identify()
    provenance = settings.provenance(info.name, info.sha256, info.settings)
    output = RunOutput(as_path(out), provenance, settings.columns(), share)

    def load() -> Extraction:
        from pcqtool.batch.prefetch import start_decoder_server

        start_decoder_server(settings)
        from pcqtool.features.task import Extraction
        from pcqtool.model.device import choose_devices

        devices = choose_devices(str(device))
        first, *others = (source.network(each) for each in devices)
        names = ", ".join(map(str, devices))
        _log.debug("device: %s, each segment's %s of shape %s", names, settings.feature, list(first.shape))
        return Extraction(first, settings, others)

    about = f", {info.about}" if info.about else ""
    return Job(output, *found, load, run_options, f"{settings.feature} by {info.name}{about}")


def extract(
    inputs: StrPath | Iterable[StrPath],
    out: StrPath | None = None,
    *,
    model: StrPath | None = None,
    encoder: StrPath | None = None,
    encoder_dir: Sequence[StrPath] | None = None,
    device: str = "auto",
    listed: Iterable[str] | None = None,
    shard: str = "1/1",
    on_progress: OnProgress = ignore,
    **options: Unpack[ExtractOptions],
) -> Results:
    """Compute features of recordings: arrays per segment, and their statistics per file and channel.

    Args:
        inputs: files, folders or patterns, as for ``pcqtool.label``.
        out: a ``.parquet`` file, or a directory for a table in parts; None keeps the tables with the returned object.
        model: name or directory of the model whose features are wanted; None for the bundled default.
        encoder: a pre-trained encoder for the frames, instead of a model's: a directory, or a Hub id.
        encoder_dir: where to look for an encoder that the model names but does not contain.
        device: as for ``pcqtool.label``.
        listed: further inputs, such as the lines of a list.
        shard: ``I/N`` for the I-th of N shares of the inputs, into a directory.
        on_progress: is called with the number of finished files.
        **options: see ``ExtractOptions``; ``what`` is ``fusion``, ``frames``, ``spectrogram`` or ``statistics``.

    Raises:
        SettingsError, ModelError, TableError, LockedError, StoppedError: as ``pcqtool.label``.

    Examples:
        >>> import pcqtool
        >>> results = pcqtool.extract("examples/recordings", what="spectrogram")
        >>> arrays, rows = results.array("spectrogram")
        >>> arrays.shape[1:]
        (300, 200)
    """

    def prepare(path: Path) -> Job:
        return extract_job(
            inputs,
            path,
            model=model,
            encoder=encoder,
            encoder_dir=encoder_dir,
            device=device,
            listed=listed,
            shard=shard,
            **options,
        )

    return run_job(prepare, out, on_progress)
