"""Splits of a corpus into training, validation and test parts, and reports of their overlap."""

from __future__ import annotations

from pcqtool.splits.fold import Disjointness, Fold, Overlap, SharedCounts, check_fold, overlap
from pcqtool.splits.leakage import LeakageReport, leakage_report
from pcqtool.splits.protocols import (
    CORPUS,
    PROTOCOL_NAMES,
    PROTOCOLS,
    Protocol,
    cross_corpus_protocol,
    find_protocol,
    leave_corpus_out,
    only_parts_of,
)
from pcqtool.splits.splitters import holdout
from pcqtool.splits.validation_size import ValidationSize

__all__ = [
    "CORPUS",
    "PROTOCOLS",
    "PROTOCOL_NAMES",
    "Disjointness",
    "Fold",
    "LeakageReport",
    "Overlap",
    "Protocol",
    "SharedCounts",
    "ValidationSize",
    "check_fold",
    "cross_corpus_protocol",
    "find_protocol",
    "holdout",
    "leakage_report",
    "leave_corpus_out",
    "only_parts_of",
    "overlap",
]
