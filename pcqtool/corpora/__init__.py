"""Labelled speech corpora, and all that a corpus plugin needs in one import.

>>> from pcqtool.corpora import CorpusError, Expected, Utterance, canonical, find_files

``Corpus`` documents what a class must define; ``pcqtool.corpora.testing.check`` tests a class. These names come from
modules that are quick to import: none of them loads audio, numpy or torch.
"""

from pcqtool.corpora.base import AcceptsLabels, Corpus, Utterance
from pcqtool.corpora.faults import Fault, FaultKind, FaultsError
from pcqtool.corpora.files import find_files, require_recordings, utterances_from_names
from pcqtool.corpora.manifest.table import TableRow, read_table
from pcqtool.corpora.release import Download, Expected
from pcqtool.errors import CorpusError, SettingsError
from pcqtool.labels import VOCABULARY, canonical, sort_labels

__all__ = [
    "VOCABULARY",
    "AcceptsLabels",
    "Corpus",
    "CorpusError",
    "Download",
    "Expected",
    "Fault",
    "FaultKind",
    "FaultsError",
    "SettingsError",
    "TableRow",
    "Utterance",
    "canonical",
    "find_files",
    "read_table",
    "require_recordings",
    "sort_labels",
    "utterances_from_names",
]
