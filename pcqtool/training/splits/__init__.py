"""Which utterances train, validate and test a model, and what the parts have in common."""

from __future__ import annotations

from pcqtool.training.splits.across import across
from pcqtool.training.splits.fold import Fold, Overlap, Promise, Shared, check, overlap
from pcqtool.training.splits.protocols import PROTOCOLS, Protocol, find_protocol
from pcqtool.training.splits.quota import Quota
from pcqtool.training.splits.speakers import holdout
from pcqtool.training.splits.stamp import Stamp, stamp

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
