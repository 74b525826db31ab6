from __future__ import annotations

import numpy as np
import pytest

from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.errors import CorpusError
from pcqtool.model.directory import load
from pcqtool.report.tsne import Point, draw_tsne, embed, embed_in_plane, fusion_vectors, training_speakers


def test_every_utterance_gets_a_point_and_the_same_one_again(tiny_model, toy_root):
    utterances = Manifest(toy_root).utterances()
    points = embed(str(tiny_model), "manifest", utterances, "cpu", 1)
    assert [point.file for point in points] == [utterance.path.name for utterance in utterances]
    assert not any(point.seen_speaker for point in points)
    assert embed(str(tiny_model), "manifest", utterances, "cpu", 1) == points


def test_a_file_of_several_segments_has_their_mean(tiny_model, toy_root):
    from pcqtool.training.augmentation import Augmentations
    from pcqtool.training.segments import build_segments

    model, _ = load(tiny_model)
    (long,) = [each for each in Manifest(toy_root).utterances() if each.path.name == "anger-0-2.wav"]  # 4 s
    import torch

    data = build_segments([long], 0, Augmentations(), 0, 1)
    with torch.inference_mode():
        first, second = model(torch.from_numpy(data.waves(np.arange(2)))).embedding.numpy()
    assert fusion_vectors(model, [long], 1)[0] == pytest.approx((3 * first + second) / 4, rel=1e-4)


def test_neighbours_stay_neighbours():
    rng = np.random.default_rng(0)
    far = embed_in_plane(np.concatenate([rng.normal(0, 0.1, (20, 6)), rng.normal(5, 0.1, (20, 6))]))
    assert far.shape == (40, 2)
    within = np.linalg.norm(far[:20] - far[:20].mean(axis=0), axis=1).max()
    assert np.linalg.norm(far[:20].mean(axis=0) - far[20:].mean(axis=0)) > within


def test_speakers_of_another_corpus_were_not_heard():
    provenance = {"corpora": ["emodb"], "train_speakers": ["03", "08"]}
    assert training_speakers(provenance, "emodb") == {"03", "08"}
    assert training_speakers(provenance, "iemocap") == set()
    assert training_speakers({}, "emodb") == set()


def test_speakers_of_several_corpora_are_told_apart():
    provenance = {"corpora": ["emodb", "savee"], "train_speakers": ["emodb:03", "savee:DC", "savee:03"]}
    assert training_speakers(provenance, "emodb") == {"03"}
    assert training_speakers(provenance, "savee") == {"DC", "03"}
    assert training_speakers(provenance, "emo") == set()
    renamed = {**provenance, "corpora": ["berlin", "savee"], "data": [{"origin": "emodb"}, {"origin": "savee"}]}
    assert training_speakers(renamed, "emodb") == {"03"}


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ((True, False), "filled: 1 files of new speakers; hollow: 1 of training speakers"),
        ((True, True), "hollow: all of these speakers were in training, so this is not a test"),
        ((False, False), "no speaker was in training"),
    ],
)
def test_the_figure_says_which_points_prove_something(tmp_path, words, heard, said):
    points = [Point(str(n), "anger", str(n), each, n, n) for n, each in enumerate(heard)]
    draw_tsne(points, "A title", tmp_path / "t.svg")
    assert {"A title", "anger", said} <= set(words(tmp_path / "t.svg"))


def test_too_few_are_refused(toy_root):
    with pytest.raises(CorpusError, match="too few"):
        embed(None, "manifest", Manifest(toy_root).utterances()[:4], "cpu", 1)
