from __future__ import annotations

import json

import pytest

from pcqtool.evaluation.run_directory import read_run
from pcqtool.report.curves import draw_curves, summarise_curves

KEYS = ("number", "loss", "validation_loss", "validation_wa", "validation_ua")


def history(*losses):
    return [dict(zip(KEYS, (n, 2 / n, loss, 0.5, 0.1 * n), strict=True)) for n, loss in enumerate(losses, 1)]


def test_the_best_epoch_has_the_smallest_validation_loss(write_run, tmp_path, words):
    run = read_run(write_run(history=history(1.2, 0.6, 0.8)))
    (row,) = summarise_curves(run)
    assert (row["epochs"], row["best_epoch"], row["validation_ua"]) == (3, 2, pytest.approx(0.2))
    draw_curves(run, "A title", tmp_path / "c.svg")
    said = words(tmp_path / "c.svg")
    assert {"A title", "epoch", "training", "validation", "WA", "UA", "kept: epoch 2"} <= set(said)


def test_folds_of_different_length_are_drawn_with_their_mean(write_run, tmp_path, words):
    place = write_run(runs=[{"seed": 0, "fold": name} for name in "ab"])
    (place / "folds" / "seed-0").mkdir(parents=True)
    for name, losses in {"a": (1.0, 0.5), "b": (1.0, 0.7, 0.9)}.items():
        (place / "folds" / "seed-0" / f"{name}.json").write_text(json.dumps({"history": history(*losses)}))
    run = read_run(place)
    assert [(row["fold"], row["best_epoch"]) for row in summarise_curves(run)] == [("seed-0/a", 2), ("seed-0/b", 2)]
    draw_curves(run, "A title", tmp_path / "c.svg")
    assert "training, mean of 2" in words(tmp_path / "c.svg")
