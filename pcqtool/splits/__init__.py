"""Which utterances train, validate and test a model, and what the parts have in common."""

from __future__ import annotations

from pcqtool.splits.cross_corpus import cross_corpus_protocol
from pcqtool.splits.fold import Disjointness, Fold, Overlap, Shared, check, overlap
from pcqtool.splits.leakage import LeakageReport, leakage_report
from pcqtool.splits.protocols import PROTOCOLS, Protocol, find_protocol
from pcqtool.splits.speakers import holdout
from pcqtool.splits.validation_size import ValidationSize

__all__ = [
    "PROTOCOLS",
    "Disjointness",
    "Fold",
    "LeakageReport",
    "Overlap",
    "Protocol",
    "Shared",
    "ValidationSize",
    "check",
    "cross_corpus_protocol",
    "find_protocol",
    "holdout",
    "leakage_report",
    "overlap",
]
