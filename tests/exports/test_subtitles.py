"""Subtitles are read back by the packages srt and webvtt."""

from __future__ import annotations

import pytest
import srt
import webvtt

import pcqtool
from pcqtool.exports.subtitles import _time
from tests.exports.examples import by_channel, spans


@pytest.mark.parametrize("what", ["events", "segments"])
def test_srt(results, tmp_path, what):
    exported = pcqtool.export(results, "srt", tmp_path / "out", what=what)
    for path, own in zip(exported.paths, by_channel(spans(what), ": ").values(), strict=True):
        cues = list(srt.parse(path.read_text("utf-8")))
        found = [
            (round(cue.start.total_seconds() * 1000), round(cue.end.total_seconds() * 1000), cue.content)
            for cue in cues
        ]
        assert found == [(start, end, f"{label} 75 %") for start, end, label in own]
        assert [cue.index for cue in cues] == list(range(1, len(cues) + 1))


@pytest.mark.parametrize("what", ["events", "segments"])
def test_vtt(results, tmp_path, what):
    exported = pcqtool.export(results, "vtt", tmp_path / "out", what=what)
    by_voice = {}
    for (file, channel, speaker), own in spans(what).items():
        voice = " ".join(speaker.split()) if speaker else None
        by_voice.setdefault((file, channel), []).extend((*span, voice) for span in own)
    for path, own in zip(exported.paths, by_voice.values(), strict=True):
        found = []
        for cue in webvtt.read(path):
            text, voice = unescaped(cue.text), unescaped(cue.voice) if cue.voice else None
            found.append((clock_ms(cue.start), clock_ms(cue.end), text, voice))
        expected = [(start, end, f"{label} 75 %", voice) for start, end, label, voice in own]
        assert found == sorted(expected, key=lambda cue: cue[:2])


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def clock_ms(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)


def test_times_carry():
    assert _time(59.9996, ",") == "00:01:00,000"
    assert _time(3599.9999, ".") == "01:00:00.000"
    assert _time(360000.001, ",") == "100:00:00,001"
