"""One run of labelling, from decoding to both Parquet tables; torch is loaded only if the predictor needs it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pcqtool.batch.names import Source
from pcqtool.batch.output import RunOutput
from pcqtool.batch.plan import make_plan
from pcqtool.batch.run import run
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.task import SCHEMAS, Labelling
from pcqtool.model.segment_predictor import SegmentPredictor


def label_once(sources: Sequence[Source], predictor: SegmentPredictor, settings: LabelSettings) -> None:
    """Label recordings into a folder that is removed at the end."""
    provenance = settings.provenance(predictor.config, predictor.sha256)
    columns = {kind: schema(provenance.labels).names for kind, schema in SCHEMAS.items()}
    with tempfile.TemporaryDirectory() as folder:
        output = RunOutput(Path(folder) / "results.parquet", provenance, columns)
        run(make_plan(sources, {}), output, Labelling(predictor, settings, provenance))
