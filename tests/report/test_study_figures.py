from __future__ import annotations

from pcqtool.evaluation.ablation_study import depth_variants
from pcqtool.report.study_figures import draw_depth, draw_differences
from pcqtool.training.recipe import Recipe


def test_differences_are_drawn(tmp_path, words):
    against = {name: {"difference": -0.1, "interval": [-0.2, -0.05]} for name in ("wa", "ua")}
    rows = [{"name": "the recipe"}, {"name": "w/o PDC", "against_first": against}]
    draw_differences({"variants": rows}, "A title", tmp_path / "d.svg", (5.0, 3.0))
    texts = words(tmp_path / "d.svg")
    assert {"A title", "w/o PDC", "WA", "UA"} <= set(texts)
    assert any("paired" in each for each in texts)


def test_depth_is_drawn_from_shallow_to_deep(tmp_path, words):
    scores = {2: 0.5, 3: 0.6, 4: 0.7}
    rows = [
        {"name": variant.name, "pooled": {"wa": (wa := scores[int(variant.name[0])]), "ua": wa - 0.011}}
        for variant in depth_variants(Recipe("r", {}), None)
    ]
    draw_depth({"variants": rows}, "A title", tmp_path / "d.svg")
    texts = words(tmp_path / "d.svg")
    assert {"layers of MLCNN", "50.0", "58.9", "68.9"} <= set(texts)
    assert texts.index("2") < texts.index("3") < texts.index("4")
