"""Figures of a run in Prometheus's text exposition format, as node_exporter's textfile collector reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.tables.schema import Status

if TYPE_CHECKING:
    from pcqtool.batch.job import RunReport

Labels = tuple[str, str] | None
"""Name and value of a sample's own label; None for a metric with one sample."""

HELP = {
    "pcqtool_exit_code": "Exit code of the last run.",
    "pcqtool_last_run_timestamp_seconds": "End of the last run, in seconds since 1970.",
    "pcqtool_run_seconds": "Duration of the last run, from its start to its end.",
    "pcqtool_load_seconds": "Time that the last run took to load the model and start the decoders.",
    "pcqtool_files": "Inputs that the last run has processed.",
    "pcqtool_files_done_before": "Inputs of the last run that earlier runs had finished.",
    "pcqtool_failed_files": "Files and folders that could not be read in the last run.",
    "pcqtool_rows": "Rows that the last run has written, one per file and channel, by status.",
    "pcqtool_audio_seconds": "Audio that the last run has processed.",
    "pcqtool_label_seconds": "Time that the last run has classified, by its most probable label.",
    "pcqtool_table_files": "Recordings in the table, from all runs.",
    "pcqtool_table_failed_files": "Recordings whose row in the table is a failure, and that are inputs or still exist.",
}
"""Metrics in the order of the file. All are gauges: a run replaces the values of the one before."""


def metrics_text(table: Path, exit_code: int, run_s: float, now_s: float, report: RunReport | None) -> str:
    """Return the figures of a run.

    Args:
        table: the output; each sample has its absolute path as the label ``table``.
        exit_code: the exit code of the run.
        run_s: the run's duration.
        now_s: the present time, in seconds since 1970.
        report: the outcome; None if the run ended without one, and then the metrics that need it are left out.
    """
    metrics: dict[str, Mapping[Labels, float]] = {
        "pcqtool_exit_code": {None: int(exit_code)},
        "pcqtool_last_run_timestamp_seconds": {None: round(now_s, 3)},
        "pcqtool_run_seconds": {None: round(run_s, 3)},
        **({} if report is None else _of_report(report)),
    }
    common = [("table", os.fsencode(os.path.abspath(table)).decode("utf-8", "backslashreplace"))]  # noqa: PTH100
    lines = []
    for name, samples in metrics.items():
        lines += [f"# HELP {name} {HELP[name]}", f"# TYPE {name} gauge"]
        for label, value in samples.items():
            labels = ",".join(f'{key}="{_escaped(text)}"' for key, text in (*common, *([label] if label else [])))
            lines.append(f"{name}{{{labels}}} {value!r}")
    return "\n".join(lines) + "\n"


def _of_report(report: RunReport) -> dict[str, Mapping[Labels, float]]:
    summary = report.summary
    seconds = dict.fromkeys(report.state.label_time_s, 0.0) | summary.label_time_s
    return {
        "pcqtool_load_seconds": {None: round(summary.load_s, 3)},
        "pcqtool_files": {None: summary.n_files},
        "pcqtool_files_done_before": {None: summary.n_done_before},
        "pcqtool_failed_files": {None: len(summary.failures)},
        "pcqtool_rows": {("status", str(status)): summary.statuses.get(status, 0) for status in Status},
        "pcqtool_audio_seconds": {None: round(summary.audio_s, 3)},
        "pcqtool_label_seconds": {("label", label): round(s, 3) for label, s in sorted(seconds.items())},
        "pcqtool_table_files": {None: report.state.files},
        "pcqtool_table_failed_files": {None: len(report.failed)},
    }


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
