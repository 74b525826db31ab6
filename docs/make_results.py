"""Write ``docs/results.md``, every figure that this project reports, from the runs in ``docs/results/``.

The published figures of other systems come from ``docs/published.toml``.

    python docs/make_results.py            write the page
    python docs/make_results.py --check    write nothing; fail if the page is out of date
"""

from __future__ import annotations

import os
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))  # for benchmarks

from benchmarks import carry_over  # noqa: E402
from pcqtool.errors import PcqtoolError, ReportError  # noqa: E402
from pcqtool.evaluation.ablation_study import COLUMNS, table  # noqa: E402
from pcqtool.evaluation.run_directory import UNKNOWN, FinishedRun, read_run  # noqa: E402
from pcqtool.files.atomic import write_whole  # noqa: E402
from pcqtool.splits import PROTOCOL_NAMES  # noqa: E402

SHARED_SPEAKERS, CHOSEN_ON_TEST, STANDARDISED = "S", "T", "A"
_BY_TEST_RECORDINGS = "standardised by the unlabelled test recordings"  # as evaluate says it

INTRODUCTION = """\
# Results

Written by `python docs/make_results.py` from the files in [`{folder}`]({folder}); do not edit it. CI compares the two.

WA is the fraction of correct predictions, UA the mean recall over classes, both in per cent. **Bold**: measured with
this tool, ± the standard deviation over several seeds, in brackets the 95 % interval over speakers. The column *leak*
marks what makes a figure look better than it is:

| mark | meaning |
| --- | --- |
| S | speakers of the test part were also in training: the figure is a poor measure for new speakers |
| T | the checkpoint, or a setting, was chosen on the test part, or the model was trained on it |
| A | inputs were standardised by the test recordings, without their labels, as `label` does: they must be many |
| ? | the source does not state how training and test were divided |
| – | different speakers, nothing chosen on the test part |

[PCQ and its rivals](systems.md), all trained and tested by this tool under the same protocols, have a page of their
own.
"""

CARRIED_OVER = """\
## Corpora that were left out

Each corpus is left out in turn. The network learns from the others, with all their classes, and predicts the classes
that all corpora have. *auto*: inputs standardised by the unlabelled corpus that was left out; *off*: by the training
data; *by=speaker*: also by each of its speakers. UA in per cent, means over seeds {seeds}; recipe `best` with
Whisper-base as encoder and teacher, temperatures fitted to validation speakers (`--calibration validation`), as those
fitted to corpora, which the recipe wants, take four times as long; `python -m benchmarks.carry_over`. All figures:
{source}."""


@dataclass(frozen=True)
class Published:
    """A published figure of another system.

    Attributes:
        corpus: its name in pcqtool.
        system: name of the model.
        wa: weighted accuracy in per cent.
        protocol: the division into training and test parts; pcqtool's name of the protocol if it is the same.
        leaks: the marks ``S``, ``T`` and ``?`` that the introduction of the page explains.
        source: the publication.
        ua: unweighted accuracy in per cent; None if it was not published.
    """

    corpus: str
    system: str
    wa: float
    protocol: str
    leaks: tuple[str, ...]
    source: str
    ua: float | None = None


def read_published() -> list[Published]:
    """Read ``published.toml``."""
    entries = tomllib.loads((DOCS / "published.toml").read_text(encoding="utf-8"))["figure"]
    return [Published(**entry | {"leaks": tuple(entry["leaks"])}) for entry in entries]


def check_page(runs: Path, page: Path) -> None:
    """Compare the page with the runs.

    Raises:
        ReportError: if the page is out of date, or as ``render``.
    """
    if not page.is_file() or page.read_text(encoding="utf-8") != render(runs, page):
        raise ReportError(
            f"{page} does not agree with the runs in {runs}", "Run 'python docs/make_results.py' and commit the page."
        )


def render(runs: Path, page: Path) -> str:
    """Return the page's text.

    Args:
        runs: folder with the ``metrics.json`` of each run, under any name, and with the files of studies.
        page: the Markdown file; links in it are relative.

    Raises:
        ReportError: if there are no runs, or one is damaged.
    """
    found = [read_run(path) for path in sorted(runs.glob("*.json"))]
    if not found:
        raise ReportError(f"no runs in {runs}", "Copy a run's metrics.json there, named after the run.")
    folder = Path(os.path.relpath(runs, page.parent)).as_posix()
    evaluations = [run for run in found if "study" not in run.metrics]
    sections = [INTRODUCTION.format(folder=folder), *_carried_over(runs / "carry_over.jsonl", folder)]
    divided = {run.corpus for run in evaluations if run.protocol in PROTOCOL_NAMES}
    for corpus in sorted({run.corpus for run in evaluations}, key=lambda name: (name in divided, name)):
        own = [run for run in evaluations if run.corpus == corpus]
        sections.append(_comparison(corpus, own))
        sections += [_details(run, folder) for run in sorted(own, key=lambda run: -run.score("ua").value)]
    sections += [_study(run, folder) for run in found if "study" in run.metrics]
    return "\n".join(sections)


def _carried_over(path: Path, folder: str) -> Iterator[str]:
    """Yield the section on corpora that were left out, if it was measured."""
    if not path.is_file():
        return
    runs = carry_over.read(path)
    seeds = ", ".join(map(str, sorted({run["seed"] for run in runs})))
    source = f"[`{path.name}`]({folder}/{path.name})"
    yield f"{CARRIED_OVER.format(seeds=seeds, source=source)}\n"
    yield "\n".join([*carry_over.table(runs), "", *(f"- {line}" for line in carry_over.worth_of_queries(runs)), ""])


def _comparison(corpus: str, runs: Sequence[FinishedRun]) -> str:
    """Return a table of own and published figures on a corpus: the best first, figures that leak last."""
    rows = [_own_row(run) for run in runs]
    rows += [_published_row(each) for each in read_published() if each.corpus == corpus]
    rows.sort(key=lambda row: (row[0] != "–", -row[1]))
    title = f"## {_title(corpus)}"
    header = ["system", "protocol", "WA", "UA", "leak", "source"]
    return "\n".join([title, "", *_markdown(header, [cells for *_, cells in rows]), ""])


def _own_row(run: FinishedRun) -> tuple[str, float, list[str]]:
    leak, wa, ua = leaks(run), run.score("wa"), run.score("ua")
    name = f"**[{run.name}](#{_anchor(run.name)})**"
    return leak, ua.value, [name, run.protocol, f"**{wa}**", f"**{ua}**", leak, "this tool"]


def _published_row(figure: Published) -> tuple[str, float, list[str]]:
    leak = " ".join(figure.leaks) or "–"
    rank = (figure.wa if figure.ua is None else figure.ua) / 100
    ua = "" if figure.ua is None else f"{figure.ua:g}"
    return leak, rank, [figure.system, figure.protocol, f"{figure.wa:g}", ua, leak, figure.source]


def leaks(run: FinishedRun) -> str:
    """Return a run's marks, from the overlap of its parts and its use of test recordings."""
    marks = [SHARED_SPEAKERS] if run.shared_with_training.get("speakers") else []
    marks += [CHOSEN_ON_TEST] if run.metrics.get("leaks") else []
    marks += [STANDARDISED] if _BY_TEST_RECORDINGS in run.metrics.get("leakage", "") else []
    return " ".join(marks) or "–"


def _details(run: FinishedRun, folder: str) -> str:
    """Return everything that is needed to believe a run and to repeat it."""
    pooled = run.pooled
    recall = {label: share for label, share in pooled["recall"].items() if share is not None}
    before = pooled.get("ece_uncalibrated")
    fields = {
        "protocol": _protocol(run),
        "WA": f"{run.score('wa')} %",
        "UA": f"{run.score('ua')} %",
        "macro-F1": f"{run.score('macro_f1')} %",
        "over folds": _folds(run),
        "recall": ", ".join(f"{label} {100 * share:.1f} %" for label, share in recall.items()),
        "ECE": f"{pooled['ece']:.3f}" + ("" if before is None else f", before the temperature {before:.3f}"),
        "test and training share": run.metrics.get("leakage") or _shared(run),
        "seeds": ", ".join(map(str, run.seeds)) or "none: nothing was trained",
        **_origin(run),
        "note": run.metrics.get("note", ""),
        "all figures": f"[`{run.path.name}`]({folder}/{run.path.name})",
    }
    about = _markdown(["what", "value"], [[k, v] for k, v in fields.items() if v])
    return "\n".join([f"### {run.name}", "", *about, "", *_risk_coverage(run)])


def _risk_coverage(run: FinishedRun) -> Iterator[str]:
    """Yield a table of the labels that a minimum of confidence leaves, and of their accuracy."""
    if not run.risk_coverage:
        return
    rows = [
        ["files that keep a label, %", *(f"{100 * each.coverage:.1f}" for each in run.risk_coverage)],
        [
            "correct of these, %",
            *("" if each.accuracy is None else f"{100 * each.accuracy:.1f}" for each in run.risk_coverage),
        ],
    ]
    yield from _markdown(["`--min-confidence`", *(f"{each.min_confidence:g}" for each in run.risk_coverage)], rows)
    yield ""


def _study(run: FinishedRun, folder: str) -> str:
    """Return a table of a study's variants."""
    rows = [list(row) for row in table(run.metrics)]
    fields = {
        "corpus": _title(run.corpus),
        "protocol": _protocol(run),
        "test and training share": run.metrics.get("leakage") or _shared(run),
        "seeds": ", ".join(map(str, run.seeds)),
        **_origin(run),
        "all figures": f"[`{run.path.name}`]({folder}/{run.path.name})",
    }
    first = run.metrics["variants"][0]["name"]
    text = f"Differences are from *{first}*, in points, in brackets their 95 % interval over speakers, paired."
    about = _markdown(["what", "value"], [[name, value] for name, value in fields.items() if value])
    return "\n".join([f"## Study: {run.name}", "", text, "", *_markdown(list(COLUMNS), rows), "", *about, ""])


def _protocol(run: FinishedRun) -> str:
    title = run.metrics.get("protocol_title")
    return f"{run.protocol}: {title}" if title else run.protocol


def _folds(run: FinishedRun) -> str:
    spreads = run.metrics.get("folds", {})
    parts = [
        f"{name} {100 * spreads[key]['mean']:.1f} ± {100 * spreads[key]['sd']:.1f} %"
        for key, name in (("wa", "WA"), ("ua", "UA"))
        if key in spreads and spreads[key]["sd"] is not None
    ]
    return ", ".join(parts)


def _shared(run: FinishedRun) -> str:
    counts = [f"{group} {'unknown' if count is None else count}" for group, count in run.shared_with_training.items()]
    return f"in any fold at most: {', '.join(counts)}" if counts else ""


def _origin(run: FinishedRun) -> dict[str, str]:
    """Return the command, data, machine, versions and date."""
    metrics = run.metrics
    recipe = metrics.get("recipe", {}).get("name")
    trained = [(name, metrics.get(name)) for name in ("encoder", "teacher")]
    command = metrics.get("command")
    versions = [(name, metrics.get(f"{key}_version")) for key, name in (("tool", "pcqtool"), ("torch", "torch"))]
    return {
        "recipe": ", ".join([*filter(None, [recipe]), *(f"{name} {source}" for name, source in trained if source)]),
        "command": f"`{command}`" if command else UNKNOWN,
        "data": _data(metrics.get("data"), run),
        "machine": _machine(metrics.get("machine")),
        "versions": ", ".join(f"{name} {version}" for name, version in versions if version),
        "date": metrics.get("created", ""),
    }


def _data(data: Any, run: FinishedRun) -> str:
    if not isinstance(data, dict):
        n = run.metrics.get("n_utterances", run.metrics.get("pooled", {}).get("n"))
        return f"{_title(run.corpus)}, {n} utterances" if n else UNKNOWN
    speakers = f"{data['n_speakers']} speakers" if data.get("n_speakers") else "speakers unknown"
    hours = f", {data['hours']:.2f} h" if "hours" in data else ""
    return f"{_title(run.corpus)}, {data['n_utterances']} utterances, {speakers}{hours}"


def _machine(machine: Any) -> str:
    if not isinstance(machine, dict):
        return UNKNOWN
    device = machine.get("device", "cpu")
    cores = f"{machine['processor']}, {machine['n_cores']} cores"
    return cores if device == "cpu" else f"{device}; {cores}"


def _title(corpus: str) -> str:
    """Return the title of a corpus."""
    from pcqtool.corpora import registry
    from pcqtool.errors import CorpusError

    try:
        return registry.corpus_class(corpus).title
    except CorpusError:  # of a plugin that is not installed here
        return corpus


def _anchor(name: str) -> str:
    """Return the anchor that Markdown derives from a heading."""
    return "".join(c for c in name.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for cells in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page; return the exit code."""
    parser = ArgumentParser(description="Write docs/results.md from the runs in docs/results/.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    runs, page = DOCS / "results", DOCS / "results.md"
    try:
        if parser.parse_args(arguments).check:
            check_page(runs, page)
        else:
            write_whole(page, render(runs, page).encode())
    except PcqtoolError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
