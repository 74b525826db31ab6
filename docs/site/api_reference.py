"""The reference of the Python functions: mkdocstrings' directives for every public name."""

from __future__ import annotations

import pcqtool

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
    "Evaluate and compare": ("evaluate", "Evaluation", "compare", "compare_runs", "RunComparison"),
    "Errors": (
        *("PcqtoolError", "SettingsError", "AudioError", "ModelError", "ProfileError", "CorpusError", "TableError"),
        *("FileError", "LockedError", "TrainingError", "StoppedError"),
    ),
    "Version": ("__version__",),
}


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
        lines += [f"## {title}", "", *(f"::: pcqtool.{name}\n" for name in group)]
    return "\n".join(lines)
