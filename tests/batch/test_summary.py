from __future__ import annotations

import json

from pcqtool.batch.summary import Summary


def test_rows_are_counted_and_files_once_each():
    summary = Summary(n_done_before=4)
    summary.add(
        [
            {"file": "a", "status": "ok", "label": "anger", "duration_s": 2.0, "error": None},
            {"file": "a", "status": "no_speech", "duration_s": 2.0, "error": "no speech found"},
            {"file": "b", "status": "failed", "duration_s": None, "error": "broken"},
        ]
    )
    summary.add([{"file": "c", "status": "ok", "label": "anger", "duration_s": 1.5, "error": None}])
    assert json.loads(json.dumps(summary.to_dict())) == {
        "n_done_before": 4,
        "n_files": 3,
        "n_replaced": 0,
        "statuses": {"ok": 2, "no_speech": 1, "failed": 1},
        "labels": {"anger": 2},
        "failures": {"b": "broken"},
        "stopped": False,
        "audio_s": 3.5,
        "elapsed_s": 0.0,
        "load_s": 0.0,
    }
