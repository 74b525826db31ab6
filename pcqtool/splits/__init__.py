"""Which utterances train, validate and test a model, and what the parts have in common."""

from __future__ import annotations

from pcqtool.splits.cross_corpus import across
from pcqtool.splits.fold import Fold, Overlap, Promise, Shared, check, overlap
from pcqtool.splits.leakage import Stamp, stamp
from pcqtool.splits.protocols import PROTOCOLS, Protocol, find_protocol
from pcqtool.splits.speakers import holdout
from pcqtool.splits.validation_size import Quota

__all__ = [
    "PROTOCOLS",
    "Fold",
    "Overlap",
    "Promise",
    "Protocol",
    "Quota",
    "Shared",
    "Stamp",
    "across",
    "check",
    "find_protocol",
    "holdout",
    "overlap",
    "stamp",
]
