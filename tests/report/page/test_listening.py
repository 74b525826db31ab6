from __future__ import annotations

import pytest

from pcqtool.report.page.listening import CLIP_S, audio_links, clip_span


@pytest.mark.parametrize(
    ("event", "span"),
    [
        ((10.0, 14.0, 12.0, 60.0), (9.8, 14.2)),
        ((0.0, 2.0, 0.0, 2.0), (0.0, 2.0)),  # not beyond the recording
        ((0.0, 30.0, 0.0, 30.0), (0.0, CLIP_S - 0.2)),
        ((0.0, 30.0, 29.0, 30.0), (22.2, 30.0)),
        ((5.0, 30.0, None, None), (4.8, 12.8)),
    ],
)
def test_a_clip_is_around_the_peak(event, span):
    assert clip_span(*event) == pytest.approx(span)


def test_links_are_percent_encoded_and_relative(tmp_path):
    links = audio_links(str(tmp_path / "my calls"), ["a.wav", "\\xe4.wav"], tmp_path / "out" / "pages")
    assert links == {"base": "../../my%20calls/", "others": {1: "../../my%20calls/%E4.wav"}}
