"""The formats of JSON outputs: every object has a key ``schema`` with one of these names.

``docs/schemas`` has a JSON Schema for each. The number after the slash is raised when a key is removed or renamed, or
changes its meaning or type; a new key keeps it.
"""

from __future__ import annotations

from enum import StrEnum


class JsonFormat(StrEnum):
    """Name and version of a format; the part between dot and slash names its file in ``docs/schemas``."""

    CLIPS = "pcqtool.clips/1"
    COMPARE = "pcqtool.compare/1"
    CONFUSION = "pcqtool.confusion/1"
    CORPORA = "pcqtool.corpora/1"
    CORPUS = "pcqtool.corpus/1"
    CURVES = "pcqtool.curves/1"
    DIFFERENCE = "pcqtool.difference/1"
    DOCTOR = "pcqtool.doctor/1"
    EVALUATION = "pcqtool.evaluation/1"
    EXPORT = "pcqtool.export/1"
    FETCH = "pcqtool.fetch/1"
    KINDS = "pcqtool.kinds/1"
    LOG = "pcqtool.log/1"
    MODEL = "pcqtool.model/1"
    MODELS = "pcqtool.models/1"
    PAGE = "pcqtool.page/1"
    PARAMETERS = "pcqtool.parameters/1"
    PLAN = "pcqtool.plan/1"
    PROFILE = "pcqtool.profile/1"
    RECIPES = "pcqtool.recipes/1"
    RECORDING = "pcqtool.recording/1"
    RELIABILITY = "pcqtool.reliability/1"
    RISK_COVERAGE = "pcqtool.risk-coverage/1"
    RUN = "pcqtool.run/1"
    SETTINGS = "pcqtool.settings/1"
    SHOW = "pcqtool.show/1"
    STUDY = "pcqtool.study/1"
    SWEEP = "pcqtool.sweep/1"
    TRAINING = "pcqtool.training/1"
    TSNE = "pcqtool.tsne/1"
    VALIDATION = "pcqtool.validation/1"
