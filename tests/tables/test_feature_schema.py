from __future__ import annotations

import pyarrow as pa
import pytest

from pcqtool.errors import TableError
from pcqtool.tables.feature_schema import feature_files_schema, feature_segments_schema, shape_of
from pcqtool.tables.schema import column_descriptions, files_schema, segments_schema


def test_shapes_are_kept_with_the_columns():
    schema = feature_segments_schema("frames", (150, 512))
    assert schema.field("frames").type == pa.list_(pa.float32(), 150 * 512)
    assert shape_of(schema.field("frames")) == (150, 512)
    assert shape_of(feature_files_schema("frames", 512).field("frames_sd")) == (512,)
    for column in ("file", "start_s"):
        with pytest.raises(TableError, match="not contain arrays"):
            shape_of(schema.field(column))


def test_what_result_tables_have_too_is_the_same():
    for features, results in (
        (feature_files_schema("fusion", 3), files_schema(())),
        (feature_segments_schema("fusion", (3,)), segments_schema(())),
    ):
        common = [name for name in features.names if name in results.names]
        labelling = {"label", "confidence", "method", "speaker", "talk_share", "overlap_s", "classified_s"}
        labelling |= {"longest_s", "longest_start_s", "turns"}
        assert common == [name for name in results.names if name not in labelling]
        assert all(features.field(name).equals(results.field(name), check_metadata=True) for name in common)
        assert all(column_descriptions(features).values())
