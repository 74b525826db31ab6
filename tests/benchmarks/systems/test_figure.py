from __future__ import annotations

import pytest

from benchmarks.systems.figure import SystemPoint, draw, shows

pytest.importorskip("matplotlib")


def test_names_stand_in_the_figure_and_the_file_knows_its_points(tmp_path):
    points = [SystemPoint(f"system {n}", 50.0 + n, 0.8 + n / 100, n == 0) for n in range(5)]
    for name in ("a.svg", "b.svg"):
        draw(points, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    text = (tmp_path / "a.svg").read_text()
    assert all(text.count(f">{each.title}<") == 1 for each in points)
    assert shows(tmp_path / "a.svg", points)
    assert not shows(tmp_path / "a.svg", points[1:])
    assert not shows(tmp_path / "none.svg", points)
