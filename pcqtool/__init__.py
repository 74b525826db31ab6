"""pcqtool: batch speech emotion recognition by progressive channel querying (PCQ).

Label recordings, and look at the result:

    >>> import pcqtool
    >>> results = pcqtool.label("examples/recordings", vad=False)
    >>> results.files.columns[:3]
    ['file', 'channel', 'duration_s']

The functions do what the commands of the same name do:

- ``label`` predicts emotions of recordings; ``load_model`` returns a model that predicts for one recording, or for
  samples in memory.
- ``profile`` measures the sound of a batch, by which ``label`` standardises.
- ``extract`` computes features; ``Extractor`` does so in a scikit-learn pipeline.
- ``read_results`` opens the tables of an earlier run; ``summarise`` and ``find_recording`` return what ``show`` shows.
- ``export`` writes results in the formats of other programs.
- ``clips`` writes the strongest events as recordings, with a table to correct.
- ``write_page`` writes results as an HTML page.
- ``train`` trains a model on corpora; ``evaluate`` measures a recipe or a model; ``compare`` and
  ``compare_runs`` compare evaluations; ``sweep`` evaluates several recipes and values of their settings.

They print nothing: progress goes to ``on_progress``, messages to the logger ``pcqtool``. Every error that a user can
understand is a ``PcqtoolError``. Importing the package loads no heavy library; each function loads its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pcqtool.version import __version__

if TYPE_CHECKING:
    from pcqtool.batch.job import StoppedError
    from pcqtool.batch.results import Results, read_results
    from pcqtool.errors import (
        AudioError,
        CorpusError,
        FileError,
        LockedError,
        ModelError,
        PcqtoolError,
        ProfileError,
        SettingsError,
        TableError,
        TrainingError,
    )
    from pcqtool.evaluation.api import compare, evaluate
    from pcqtool.evaluation.run_comparison import RunComparison
    from pcqtool.evaluation.run_directory import Evaluation
    from pcqtool.evaluation.sweep import Sweep, sweep
    from pcqtool.exports.api import Exported, export
    from pcqtool.features.api import extract
    from pcqtool.features.transformer import Extractor
    from pcqtool.labelling.api import label
    from pcqtool.labelling.measuring import profile
    from pcqtool.labelling.model import Model, Prediction, load_model
    from pcqtool.progress import Progress
    from pcqtool.report.clip_rule import ClipRule
    from pcqtool.report.clips import ClipFolder, clips
    from pcqtool.report.comparison import compare_runs
    from pcqtool.report.page.writing import ResultsPage, write_page
    from pcqtool.report.recording_result import RecordingResult, find_recording
    from pcqtool.report.summary import ResultSummary, summarise
    from pcqtool.training.api import TrainedModel, train

_HOMES = {
    "batch.job": ("StoppedError",),
    "batch.results": ("Results", "read_results"),
    "errors": (
        "AudioError",
        "CorpusError",
        "FileError",
        "LockedError",
        "ModelError",
        "PcqtoolError",
        "ProfileError",
        "SettingsError",
        "TableError",
        "TrainingError",
    ),
    "evaluation.api": ("compare", "evaluate"),
    "evaluation.run_comparison": ("RunComparison",),
    "evaluation.run_directory": ("Evaluation",),
    "evaluation.sweep": ("Sweep", "sweep"),
    "exports.api": ("Exported", "export"),
    "features.api": ("extract",),
    "features.transformer": ("Extractor",),
    "labelling.api": ("label",),
    "labelling.measuring": ("profile",),
    "labelling.model": ("Model", "Prediction", "load_model"),
    "progress": ("Progress",),
    "report.clip_rule": ("ClipRule",),
    "report.clips": ("ClipFolder", "clips"),
    "report.comparison": ("compare_runs",),
    "report.recording_result": ("RecordingResult", "find_recording"),
    "report.summary": ("ResultSummary", "summarise"),
    "report.page.writing": ("ResultsPage", "write_page"),
    "training.api": ("TrainedModel", "train"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AudioError",
    "ClipFolder",
    "ClipRule",
    "CorpusError",
    "Evaluation",
    "Exported",
    "Extractor",
    "FileError",
    "LockedError",
    "Model",
    "ModelError",
    "PcqtoolError",
    "Prediction",
    "ProfileError",
    "Progress",
    "RecordingResult",
    "ResultSummary",
    "Results",
    "ResultsPage",
    "RunComparison",
    "SettingsError",
    "StoppedError",
    "Sweep",
    "TableError",
    "TrainedModel",
    "TrainingError",
    "__version__",
    "clips",
    "compare",
    "compare_runs",
    "evaluate",
    "export",
    "extract",
    "find_recording",
    "label",
    "load_model",
    "profile",
    "read_results",
    "summarise",
    "sweep",
    "train",
    "write_page",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
