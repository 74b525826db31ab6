"""TextGrids are read back by Praat itself, ELAN's files by pympi."""

from __future__ import annotations

from pathlib import Path

import parselmouth
import polars as pl
import pytest
from parselmouth.praat import call
from pympi.Elan import Eaf

import pcqtool
from pcqtool.exports.tiers import _lanes
from tests.exports.examples import RECORDINGS, spans


def read_textgrid(path: Path) -> dict[str, list[tuple[int, int, str]]]:
    """Return all intervals of each tier, also empty ones."""
    grid = parselmouth.read(str(path))
    return {
        call(grid, "Get tier name", tier): [
            (
                round(call(grid, "Get start time of interval", tier, number) * 1000),
                round(call(grid, "Get end time of interval", tier, number) * 1000),
                call(grid, "Get label of interval", tier, number),
            )
            for number in range(1, call(grid, "Get number of intervals", tier) + 1)
        ]
        for tier in range(1, call(grid, "Get number of tiers") + 1)
    }


def read_eaf(path: Path) -> dict[str, list[tuple[int, int, str]]]:
    eaf = Eaf(str(path), suppress_version_warning=True)
    return {tier: sorted(each[:3] for each in eaf.get_annotation_data_for_tier(tier)) for tier in eaf.get_tier_names()}


def expected_by_file() -> list[dict[str, list[tuple[int, int, str]]]]:
    """Return, for each recording with audio, its annotations by kind, channel and speaker as in a tier's name."""
    found: dict[str, dict[str, list[tuple[int, int, str]]]] = {}
    for kind in ("events", "segments"):
        own = spans(kind)
        for file, channel, speaker in own:
            several = len({key[1] for key in own if key[0] == file}) > 1
            parts = [kind, f"ch{channel}" if several else "", " ".join((speaker or "").split())]
            name = " ".join(part for part in parts if part)
            found.setdefault(file, {})[name] = own[file, channel, speaker]
    return list(found.values())


def joined(tiers: dict[str, list[tuple[int, int, str]]]) -> dict[str, list[tuple[int, int, str]]]:
    """Join the tiers over which overlapping segments are distributed; leave out empty intervals."""
    found: dict[str, list[tuple[int, int, str]]] = {}
    for name, own in tiers.items():
        found.setdefault(name.removesuffix(" (2)").removesuffix(" (3)"), []).extend(span for span in own if span[2])
    return {name: sorted(own) for name, own in found.items()}


@pytest.mark.parametrize(("to", "read"), [("textgrid", read_textgrid), ("eaf", read_eaf)])
def test_tiers_have_the_times_and_labels(results, tmp_path, to, read):
    exported = pcqtool.export(results, to, tmp_path / "out")
    expected = expected_by_file()
    assert len(exported.paths) == len(expected)
    for path, own in zip(exported.paths, expected, strict=True):
        assert joined(read(path)) == own


def test_intervals_cover_the_recording(results, tmp_path):
    exported = pcqtool.export(results, "textgrid", tmp_path / "out")
    durations = [duration_s for duration_s, _ in RECORDINGS.values() if duration_s]
    for path, duration_s in zip(exported.paths, durations, strict=True):
        for intervals in read_textgrid(path).values():
            edges = [edge for start, end, _ in intervals for edge in (start, end)]
            assert (edges[0], edges[-1]) == (0, round(duration_s * 1000))
            assert edges[1:-1:2] == edges[2::2]


def test_overlapping_segments_have_several_tiers(results, tmp_path):
    paths = pcqtool.export(results, "textgrid", tmp_path / "out").paths
    tiers = next(tiers for path in paths if len(tiers := read_textgrid(path)) == 3 and "segments (2)" in tiers)
    assert list(tiers) == ["events", "segments", "segments (2)"]
    assert _lanes([]) == [[]]


def test_an_eaf_refers_to_the_recording_by_a_relative_path(results, tmp_path):
    out = tmp_path / "root" / "eaf"
    exported = pcqtool.export(results, "eaf", out)
    files = results.files.filter(pl.col("duration_s") > 0)["file"].unique(maintain_order=True)
    for path, file in zip(exported.paths, files, strict=True):
        ((media),) = Eaf(str(path), suppress_version_warning=True).get_linked_files()
        relative = media["RELATIVE_MEDIA_URL"]
        assert relative.startswith(("./", "../"))
        assert (path.parent / relative).resolve() == (
            tmp_path / "root" / " ".join(file.split())
        ).resolve() or "\n" in file
        assert media["MIME_TYPE"] == ("audio/mpeg" if file.endswith("mp3") else "audio/x-wav")


def test_results_without_events_have_segments_only(make_results, tmp_path):
    (path, *_) = pcqtool.export(make_results(without="events"), "textgrid", tmp_path / "out").paths
    assert list(read_textgrid(path)) == ["segments"]
