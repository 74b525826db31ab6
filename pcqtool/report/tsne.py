"""t-SNE of the fusion vector, a point for each utterance (the paper's Fig. 4, upper half)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.corpora.pool import speakers_of, training_corpora
from pcqtool.errors import CorpusError
from pcqtool.labels import sort_labels
from pcqtool.report.figure import MARKERS, Size, drawing, headline
from pcqtool.report.label_look import label_colour

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from pcqtool.corpora.base import Utterance
    from pcqtool.model.network import AnyNetwork

PERPLEXITY = 30.0
_BATCH_SIZE = 32
_MIN_UTTERANCES = 5


@dataclass(frozen=True)
class Point:
    """An utterance in the plane; ``seen_speaker`` states whether the model was trained on its speaker."""

    file: str
    label: str
    speaker: str | None
    seen_speaker: bool
    x: float
    y: float


def embed(
    model_name: str | None, corpus: str, utterances: Sequence[Utterance], device: str, n_jobs: int
) -> list[Point]:
    """Compute a model's fusion vectors on a corpus and embed them in the plane.

    Args:
        model_name: a bundled model's name, or a directory; None for the default model.
        corpus: name of the corpus.
        utterances: the corpus's list.
        device: as for ``choose_device``.
        n_jobs: number of recordings that are read in parallel.

    Raises:
        CorpusError: if there are fewer than five utterances, or a recording cannot be read.
        ModelError: if the model is damaged.
        SettingsError: if the model does not exist, or this machine does not have the device.
    """
    from pcqtool.model.device import choose_device
    from pcqtool.model.directory import find, load

    if len(utterances) < _MIN_UTTERANCES:
        raise CorpusError(f"{len(utterances)} utterances are too few for t-SNE", f"{_MIN_UTTERANCES} are needed.")
    model, config = load(find(model_name))
    vectors = fusion_vectors(model.to(choose_device(device)), utterances, n_jobs)
    seen = training_speakers(config.provenance, corpus)
    return [
        Point(each.path.name, each.label, each.speaker, each.speaker in seen, float(x), float(y))
        for each, (x, y) in zip(utterances, embed_in_plane(vectors), strict=True)
    ]


def training_speakers(provenance: Mapping[str, Any], corpus: str) -> set[str]:
    """Return the speakers of a corpus that a model was trained on; none if it was trained on other corpora."""
    speakers = provenance.get("train_speakers", ())
    if corpus not in training_corpora(provenance):
        return set()
    return speakers_of(corpus, speakers) if len(provenance["corpora"]) > 1 else set(speakers)


def fusion_vectors(model: AnyNetwork, utterances: Sequence[Utterance], n_jobs: int) -> NDArray[np.float64]:
    """Return the utterances' fusion vectors ``(U, F)``: means over segments, weighted by duration."""
    import numpy as np
    import torch

    from pcqtool.training.augmentation import Augmentations
    from pcqtool.training.segments import build_segments

    data = build_segments(utterances, 0, Augmentations(), 0, n_jobs)
    device = next(model.parameters()).device
    with torch.inference_mode():
        fusion = torch.cat(
            [model(torch.from_numpy(data.waves(rows)).to(device)).embedding for rows in data.batches(_BATCH_SIZE)]
        )
    vectors = np.zeros((len(utterances), fusion.shape[1]))
    np.add.at(vectors, data.utterance, fusion.double().cpu().numpy() * data.n_samples[:, None])
    mean: NDArray[np.float64] = vectors / np.bincount(data.utterance, data.n_samples)[:, None]
    return mean


def embed_in_plane(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Embed standardised vectors in the plane by t-SNE, ``(U, F)`` → ``(U, 2)``.

    The perplexity is 30, or a third of the utterances if there are few. The first two principal components are the
    starting point, so that nothing is random. Source: van der Maaten and Hinton, JMLR 2008.
    """
    import numpy as np
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler

    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    standardised = StandardScaler().fit_transform(vectors)
    embedded = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(standardised)
    return np.asarray(embedded, np.float64)


def draw_tsne(points: Sequence[Point], title: str, path: Path, size: Size | None = None) -> None:
    """Draw a point for each utterance: colour and shape show the emotion; hollow points are training speakers.

    Raises:
        SettingsError, ReportError, FileError: as ``drawing``.
    """
    with drawing(path, *(size or (7.6, 6.0))) as figure:
        axes = figure.add_subplot()
        for number, label in enumerate(sort_labels(point.label for point in points)):
            marker: dict[str, Any] = {"color": label_colour(label), "marker": MARKERS[number % len(MARKERS)]}
            _scatter(axes, [point for point in points if point.label == label], marker)
            axes.scatter([], [], s=60, label=label, **marker)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel("t-SNE 1 (no unit)")
        axes.set_ylabel("t-SNE 2 (no unit)")
        axes.set_title(_speaker_note(points), fontsize=11, fontweight="normal")
        figure.legend(loc="outside right upper")
        headline(figure, title)


def _scatter(axes: Axes, points: Sequence[Point], marker: Mapping[str, Any]) -> None:
    for seen in (True, False):
        chosen = [point for point in points if point.seen_speaker is seen]
        look = {"facecolors": "none", "alpha": 0.8, "linewidths": 1.2} if seen else {"edgecolors": "white"}
        edge = {"edgecolors": marker["color"]} if seen else {"facecolors": marker["color"], "linewidths": 0.5}
        axes.scatter(
            [point.x for point in chosen],
            [point.y for point in chosen],
            s=34 if seen else 60,
            marker=marker["marker"],
            **look,
            **edge,
        )


def _speaker_note(points: Sequence[Point]) -> str:
    """Describe how many points are of new speakers: only these show how the model generalises."""
    n_seen = sum(point.seen_speaker for point in points)
    if not n_seen:
        return "no speaker was in training"
    if n_seen == len(points):
        return "hollow: all of these speakers were in training, so this is not a test"
    return f"filled: {len(points) - n_seen} files of new speakers; hollow: {n_seen} of training speakers"
