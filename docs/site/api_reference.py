"""The reference of the Python functions: mkdocstrings' directives for every public name."""

from __future__ import annotations

import inspect

import pcqtool
from pcqtool.features.api import ExtractOptions
from pcqtool.labelling.api import LabelOptions
from pcqtool.labelling.measuring import ProfileOptions

# In the order of docs/python.md.
GROUPS = {
    "Label recordings": ("label", "Results", "read_results", "profile"),
    "Export results": ("export", "Exported"),
    "Look at results": ("summarise", "ResultSummary", "find_recording", "RecordingResult"),
    "Listen and correct": ("clips", "ClipRule", "ClipFolder"),
    "A page of results": ("write_page", "ResultsPage"),
    "Predict for one recording, or for samples": ("load_model", "Model", "Prediction"),
    "Extract features": ("extract", "Extractor"),
    "Show progress": ("Progress",),
    "Train": ("train", "TrainedModel"),
    "Evaluate and compare": (
        *("evaluate", "Evaluation", "compare", "compare_runs", "RunComparison", "sweep", "Sweep"),
    ),
    "Errors": (
        *("PcqtoolError", "SettingsError", "AudioError", "ModelError", "ProfileError", "CorpusError", "TableError"),
        *("FileError", "LockedError", "TrainingError", "StoppedError"),
    ),
    "Version": ("__version__",),
}
# For plugins; docs/plugins.md explains them.
PLUGIN_CLASSES = (
    *("Network", "NetworkConfig", "NetworkOutput", "TrainingBatch", "Encoder", "EncoderConfig"),
    *("testing.check_network", "testing.check_encoder"),
)
# What "**options" stands for.
OPTIONS = {"label": LabelOptions, "extract": ExtractOptions, "profile": ProfileOptions}


def names() -> str:
    """Return the reference in Markdown.

    Raises:
        ValueError: if a public name is in no group, or a group has another name.
    """
    grouped = sorted(name for group in GROUPS.values() for name in group)
    if grouped != sorted(pcqtool.__all__):
        raise ValueError(f"GROUPS and pcqtool.__all__ differ: {set(grouped) ^ set(pcqtool.__all__)}")
    lines = []
    for title, group in GROUPS.items():
        lines += [f"## {title}", ""]
        for name in group:
            lines += [f"::: pcqtool.{name}", "", *_options(name)]
    lines += ["## Networks and encoders of your own", ""]
    for name in PLUGIN_CLASSES:
        lines += [f"::: pcqtool.networks.{name}", ""]
    return "\n".join(lines)


def _options(name: str) -> list[str]:
    """Return the options of a function: names and types, which the command of the same name explains."""
    if name not in OPTIONS:
        return []
    kinds = [each for each in reversed(inspect.getmro(OPTIONS[name])) if each is not dict]
    types = {key: value for kind in kinds for key, value in inspect.get_annotations(kind).items()}
    rows = [f"{key}: {getattr(value, '__forward_arg__', value)}" for key, value in types.items()]
    about = f"`**options` are those of [`pcqtool {name}`](commands.md#pcqtool-{name}); times end in `_s`, in seconds:"
    return [about, "", "```python", *rows, "```", ""]
