"""t-SNE of the fusion vector, a point for each utterance (the paper's Fig. 4, above)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.corpora.pool import speakers_of, training_corpora
from pcqtool.errors import CorpusError
from pcqtool.labels import sort_labels
from pcqtool.report.figure import COLOURS, MARKERS, drawing, headline

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from pcqtool.corpora.base import Utterance
    from pcqtool.model.pcq import PCQ

PERPLEXITY = 30.0
_BATCH = 32
_FEWEST = 5


@dataclass(frozen=True)
class Point:
    """An utterance in the plane; ``heard`` says whether the model was trained on its speaker."""

    file: str
    label: str
    speaker: str | None
    heard: bool
    x: float
    y: float


def embed(
    model_name: str | None, corpus: str, utterances: Sequence[Utterance], device: str, n_jobs: int
) -> list[Point]:
    """Run a model over a corpus and lay its fusion vectors out in the plane.

    Args:
        model_name: a bundled model's name, or a directory; None for the default.
        corpus: its name.
        utterances: the corpus's.
        device: as for ``choose_device``.
        n_jobs: recordings read at the same time.

    Raises:
        CorpusError: if there are fewer than five utterances, or a recording cannot be read.
        ModelError: if the model is damaged.
        SettingsError: if there is no such model, or this machine has no such device.
    """
    from pcqtool.model.device import choose_device
    from pcqtool.model.directory import find, load

    if len(utterances) < _FEWEST:
        raise CorpusError(f"{len(utterances)} utterances are too few for t-SNE", f"{_FEWEST} or more are needed.")
    model, config = load(find(model_name))
    vectors = fusion_vectors(model.to(choose_device(device)), utterances, n_jobs)
    heard = speakers_heard(config.provenance, corpus)
    return [
        Point(each.path.name, each.label, each.speaker, each.speaker in heard, float(x), float(y))
        for each, (x, y) in zip(utterances, lay_out(vectors), strict=True)
    ]


def speakers_heard(provenance: Mapping[str, Any], corpus: str) -> set[str]:
    """Name the speakers of a corpus that a model was trained on; none if it was trained on other corpora."""
    speakers = provenance.get("train_speakers", ())
    if corpus not in training_corpora(provenance):
        return set()
    return speakers_of(corpus, speakers) if len(provenance["corpora"]) > 1 else set(speakers)


def fusion_vectors(model: PCQ, utterances: Sequence[Utterance], n_jobs: int) -> NDArray[np.float64]:
    """Give each utterance's fusion vector ``(U, F)``, the mean over its segments weighed by their duration."""
    import numpy as np
    import torch

    from pcqtool.training.augmentation import Augmentations
    from pcqtool.training.data import build_segments

    data = build_segments(utterances, 0, Augmentations(), 0, n_jobs)
    device = next(model.parameters()).device
    vectors = np.zeros((len(utterances), model.fusion_width))
    weights = np.zeros(len(utterances))
    for rows in data.batches(_BATCH):
        with torch.inference_mode():
            fusion = model(torch.from_numpy(data.waves(rows)).to(device)).fusion.double().cpu().numpy()
        np.add.at(vectors, data.utterance[rows], fusion * data.n_samples[rows, None])
        np.add.at(weights, data.utterance[rows], data.n_samples[rows])
    mean: NDArray[np.float64] = vectors / weights[:, None]
    return mean


def lay_out(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay vectors ``(U, F)`` out in the plane ``(U, 2)`` by t-SNE, each dimension of unit variance first.

    Perplexity 30, or a third of the utterances where they are few; it begins with two principal components, so that
    nothing is drawn at random. Source: van der Maaten and Hinton, JMLR 2008.
    """
    import numpy as np
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler

    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    laid = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(
        StandardScaler().fit_transform(vectors)
    )
    return np.asarray(laid, np.float64)


def draw_tsne(points: Sequence[Point], title: str, path: Path) -> None:
    """Draw a point for each utterance: colour and shape say the emotion, a hollow one that its speaker was trained on.

    Raises:
        SettingsError, ReportError, FileError: as ``drawing``.
    """
    with drawing(path, 7.6, 6.0) as figure:
        axes = figure.add_subplot()
        for number, label in enumerate(sort_labels(point.label for point in points)):
            mark: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
            _scatter(axes, [point for point in points if point.label == label], mark)
            axes.scatter([], [], s=60, label=label, **mark)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel("t-SNE 1 (no unit)")
        axes.set_ylabel("t-SNE 2 (no unit)")
        axes.set_title(_who(points), fontsize=11, fontweight="normal")
        figure.legend(loc="outside right upper")
        headline(figure, title)


def _scatter(axes: Axes, points: Sequence[Point], mark: Mapping[str, Any]) -> None:
    for heard in (True, False):
        chosen = [point for point in points if point.heard is heard]
        look = {"facecolors": "none", "alpha": 0.55, "linewidths": 1.2} if heard else {"edgecolors": "white"}
        edge = {"edgecolors": mark["color"]} if heard else {"facecolors": mark["color"], "linewidths": 0.5}
        axes.scatter(
            [point.x for point in chosen],
            [point.y for point in chosen],
            s=34 if heard else 60,
            marker=mark["marker"],
            **look,
            **edge,
        )


def _who(points: Sequence[Point]) -> str:
    """Say which points prove something."""
    heard = sum(point.heard for point in points)
    if not heard:
        return "no speaker was in training"
    if heard == len(points):
        return "hollow: all of these speakers were in training, so this is no test"
    return f"filled: {len(points) - heard} files of speakers unseen in training; hollow: {heard} of trained ones"
