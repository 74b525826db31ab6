"""``pcqtool report tsne``: draw a corpus's fusion vectors in two dimensions."""

from __future__ import annotations

from pathlib import Path

from pcqtool.arguments import n_jobs
from pcqtool.cli.common import console, options
from pcqtool.cli.report.arguments import Figure, FigureSize, FigureTitle
from pcqtool.json_format import JsonFormat


def tsne(
    corpus: options.CorpusName,
    model: options.Model = None,
    root: options.Root = None,
    out: Figure = Path("tsne.svg"),
    title: FigureTitle = None,
    size: FigureSize = None,
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    json: options.Json = False,
) -> None:
    """Draw a corpus's fusion vectors by t-SNE (Figure 4).

    Each utterance is a point. Utterances of speakers that the model was trained on are hollow: only filled points
    show how well it separates classes.
    """
    from pcqtool.corpora import registry
    from pcqtool.report.figure import check_path, parse_size, require_matplotlib

    check_path(out)
    inches = parse_size(size)
    require_matplotlib()
    opened = registry.open_corpus(corpus, root)
    utterances = registry.list_utterances(opened)
    console.info(f"{corpus}: {len(utterances)} utterances")

    from pcqtool.model.directory import find, read_config
    from pcqtool.report.tsne import draw_tsne, embed

    points = embed(model, corpus, utterances, device, n_jobs(jobs))
    name = read_config(find(model)).name
    draw_tsne(points, title or f"t-SNE of the fusion vector: {name} on {opened.title}", out, inches)
    if json:
        console.print_json(JsonFormat.TSNE, {"model": name, "points": points, "figure": out})
    else:
        n_seen = sum(point.seen_speaker for point in points)
        fields = {"utterances": len(points), "of speakers it was trained on": n_seen or "none", "figure": out}
        console.print_fields(fields)
