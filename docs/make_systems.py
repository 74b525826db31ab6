"""Write ``docs/systems.md``, PCQ beside its rivals, and its figure, from the runs in ``docs/results/systems.jsonl``.

What others published of these systems comes from ``docs/published.toml``.

    python docs/make_systems.py            write the page and the figure
    python docs/make_systems.py --check    write nothing; fail if one of them is out of date
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]  # for make_results and benchmarks

from make_results import Published, leaks, read_published  # noqa: E402

from benchmarks.systems import figure, records  # noqa: E402
from benchmarks.systems.catalogue import (  # noqa: E402
    CONDITIONS,
    PAPER_CONDITIONS,
    PAPER_SYSTEMS,
    PCQ_SYSTEMS,
    SYSTEMS,
    ComparedSystem,
    Condition,
)
from pcqtool.errors import PcqtoolError, ReportError  # noqa: E402
from pcqtool.evaluation.run_directory import FinishedRun  # noqa: E402
from pcqtool.files.atomic import write_whole  # noqa: E402

FIGURE = "images/systems.svg"
LISTENERS = "human listeners"
NEW_SPEAKERS = CONDITIONS[0]
_CORPORA = {"emodb": "EMO-DB", "iemocap": "IEMOCAP"}
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

Runs = Mapping[tuple[str, str], FinishedRun]

INTRODUCTION = """\
# PCQ and its rivals

Written by `python docs/make_systems.py` from [`systems.jsonl`](results/systems.jsonl); do not edit it. CI compares the
two.

Every system is trained and tested by pcqtool, on the same parts of the same recordings. What was decided where a paper
leaves something open is [stated with the plugin](../plugins/rivals/README.md). The cells are UA in per cent, ± the
standard deviation over seeds where there are several, in brackets the 95 % interval over speakers. Marks in square
brackets are those of the [results](results.md):

- S: speakers of the test part were also in training
- T: something was chosen on the test part
- A: inputs were standardised by the unlabelled test recordings
- ?: the protocol is not stated
"""

PROTOCOL = """\
## The protocol alone

The paper's own settings (recipe `paper`), with the encoder trained as well: only the division into training, validation
and test differs between these rows.
"""

COMMANDS = """\
## Make it yourself

In a clone of the repository, in the environment of `make setup`; the same command resumes:

```
python -m benchmarks.systems --root emodb=DIR --root nemo=DIR --root ravdess=DIR --out systems --seeds 3
python -m benchmarks.systems --root emodb=DIR --out systems --speed DIR/wav
python -m benchmarks.systems --root emodb=DIR --out systems --system paper-whisper
python -m benchmarks.systems --root emodb=DIR --out systems --system paper-wavlm --device cuda
python docs/make_systems.py
```

The first makes the accuracies, the second the speeds, the third the protocols with Whisper-base, the fourth with
WavLM-base on a GPU, the last this page. Encoders are found in the folders that `PCQTOOL_ENCODERS` names;
`hf download microsoft/wavlm-base --local-dir encoders/wavlm-base` gets one. `--collect DIR` records finished runs of
`pcqtool sweep` or `evaluate` with the same recipes instead.
"""


def load_runs(path: Path) -> tuple[dict[tuple[str, str], FinishedRun], dict[str, float]]:
    """Read the records of today's recipes.

    Returns:
        The runs by system and condition, and the speeds by system.
    """
    hashes = {each.name: {each.recipe_hash(several) for several in (False, True)} for each in _all_systems()}
    runs, speeds = {}, {}
    for record in records.read(path):
        name, condition = record["system"], record["condition"]
        if condition == records.SPEED:
            speeds[name] = float(record["speed"]["median"])
            runs[name, condition] = FinishedRun(f"{name}, {condition}", path, record)
        elif record["recipe"]["hash"] in hashes.get(name, ()):
            runs[name, condition] = FinishedRun(f"{name}, {condition}", path, record)
    return runs, speeds


def _all_systems() -> tuple[ComparedSystem, ...]:
    return *SYSTEMS, *PAPER_SYSTEMS


def render(runs: Runs, speeds: Mapping[str, float]) -> str:
    """Return the page's text."""
    published = read_published()
    sections = [
        INTRODUCTION,
        *places(runs),
        "## Accuracy\n",
        "\n".join(_accuracy(runs, published)) + "\n",
        *_missing(runs, speeds),
        "## Size, time, speed, and what was claimed\n",
        _explain(runs),
        "\n".join(_sizes(runs, speeds, published)) + "\n",
    ]
    if len(points(runs, speeds)) > 1:
        sections.append(f"![Unweighted accuracy on new speakers of EMO-DB against labelling speed]({FIGURE})\n")
    return "\n".join([*sections, *_protocols(runs), COMMANDS])


def places(runs: Runs) -> Iterator[str]:
    """Yield a list with PCQ's place under each condition under which it and another system have a figure."""
    lines = []
    for condition in CONDITIONS:
        scores = {each: runs[each.name, condition.name].score("ua") for each in SYSTEMS if _has(runs, each, condition)}
        ranked = sorted(scores, key=lambda each: -scores[each].value)
        best = next((each for each in ranked if each in PCQ_SYSTEMS), None)
        rival = next((each for each in ranked if each not in PCQ_SYSTEMS), None)
        if best is None or rival is None:
            continue
        place = ranked.index(best) + 1
        ordinal = _ORDINALS[place] if place < len(_ORDINALS) else f"number {place}"
        gap = 100 * (scores[best].value - scores[rival].value)
        side = "ahead of" if gap >= 0 else "behind"
        lines.append(
            f"- {condition.title}: {best.title} is {ordinal} of {len(ranked)} systems with "
            f"{100 * scores[best].value:.1f} %, {abs(gap):.1f} points {side} {rival.title}"
            f"{_overlapping(scores[best].interval, scores[rival].interval)}."
        )
    if lines:
        yield "\n".join(["PCQ's place, by UA, with the best of the others:", "", *lines, ""])


def _overlapping(one: tuple[float, float] | None, other: tuple[float, float] | None) -> str:
    if one is None or other is None:
        return ""
    return "; the intervals overlap" if one[0] <= other[1] and other[0] <= one[1] else "; the intervals do not overlap"


def _has(runs: Runs, system: ComparedSystem, condition: Condition) -> bool:
    return (system.name, condition.name) in runs


def _has_profiles(system: ComparedSystem) -> bool:
    return float(system.load().network.get("profile_s", 0.0)) > 0


def _accuracy(runs: Runs, published: Sequence[Published]) -> Iterator[str]:
    rows = [
        [f"**{each.title}**" if each in PCQ_SYSTEMS else each.title, *(_cell(runs, each, one) for one in CONDITIONS)]
        for each in SYSTEMS
    ]
    rows += [
        [f"{each.system}, published", f"{each.ua:g}", *[""] * (len(CONDITIONS) - 1)]
        for each in published
        if each.system == LISTENERS and each.ua is not None
    ]
    yield from _markdown(["system", *(each.title for each in CONDITIONS)], rows)


def _cell(runs: Runs, system: ComparedSystem, condition: Condition) -> str:
    if not condition.fits(1.0 if _has_profiles(system) else 0.0):
        return "no profiles"
    run = runs.get((system.name, condition.name))
    return "–" if run is None else _marked(str(run.score("ua")), leaks(run))


def _marked(text: str, marks: str) -> str:
    return text if marks == "–" else f"{text} [{marks}]"


def _missing(runs: Runs, speeds: Mapping[str, float]) -> Iterator[str]:
    """Yield a sentence on what has not been run."""
    parts = []
    for condition in CONDITIONS:
        wanted = [each for each in SYSTEMS if condition.fits(1.0 if _has_profiles(each) else 0.0)]
        parts += _lacking(condition.title, wanted, [each for each in wanted if not _has(runs, each, condition)])
    parts += _lacking("speed", SYSTEMS, [each for each in SYSTEMS if each.name not in speeds])
    if parts:
        yield f"Not run yet (–), and made by the commands [below](#make-it-yourself): {'; '.join(parts)}.\n"


def _lacking(title: str, wanted: Sequence[ComparedSystem], missing: Sequence[ComparedSystem]) -> list[str]:
    if not missing:
        return []
    return [f"{title}: {'all' if len(missing) == len(wanted) else ', '.join(each.title for each in missing)}"]


def _explain(runs: Runs) -> str:
    on, speed_on = (
        f" on {' or '.join(machines)}" if machines else ""
        for condition in (NEW_SPEAKERS.name, records.SPEED)
        for machines in [sorted({_machine(run) for (_, name), run in runs.items() if name == condition})]
    )
    return (
        f"Parameters that training changes, with EMO-DB's seven classes; seconds of training and testing one fold{on} "
        "(median; as many folds as there are cores at the same time), without augmenting and encoding, which all folds "
        "share; labelling speed from decoding to tables, as a multiple of real time, with models loaded and without "
        f"voice activity detection, the systems in turn{speed_on}. The claims are WA / UA on EMO-DB if no other "
        "corpus is named.\n"
    )


def _machine(run: FinishedRun) -> str:
    machine = run.metrics["machine"]
    n_cores = run.metrics.get("speed", machine).get("cores", machine["n_cores"])
    cores = f"{machine['processor']}, {n_cores} core{'s' * (n_cores > 1)}"
    return cores if machine["device"] == "cpu" else f"{machine['device']}, {cores}"


def _sizes(runs: Runs, speeds: Mapping[str, float], published: Sequence[Published]) -> Iterator[str]:
    rows = []
    for each in SYSTEMS:
        run = runs.get((each.name, NEW_SPEAKERS.name))
        parameters = None if run is None else run.metrics.get("parameters")
        rows.append(
            [
                each.title,
                "–" if parameters is None else _count(parameters["trained"]),
                "–" if run is None else _seconds(run.metrics["training"]["fold_s"]),
                f"{speeds[each.name]:.0f}" if each.name in speeds else "–",
                "; ".join(_claim(figure) for figure in published if figure.system in each.claims) or "none",
            ]
        )
    listeners = [_claim(each) for each in published if each.system == LISTENERS]
    rows.append([LISTENERS, "", "", "", "; ".join(listeners)])
    yield from _markdown(["system", "parameters", "s a fold", "× real time", "claimed, WA / UA"], rows)


def _count(n: int) -> str:
    return f"{n:,}".replace(",", " ") if n else "in closed form"


def _seconds(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _claim(each: Published) -> str:
    ua = "" if each.ua is None else f" / {each.ua:g}"
    corpus = "" if each.corpus == "emodb" else f"{_CORPORA.get(each.corpus, each.corpus)}: "
    marks = " ".join(each.leaks) or "–"
    return f"{corpus}{_marked(f'{each.wa:g}{ua}', marks)} ({each.protocol}, {each.source})"


def points(runs: Runs, speeds: Mapping[str, float]) -> list[figure.SystemPoint]:
    """Return the points of the figure: systems with an accuracy on new speakers of EMO-DB and a speed."""
    return [
        figure.SystemPoint(each.title, speeds[each.name], runs[each.name, NEW_SPEAKERS.name].score("ua").value, own)
        for each in SYSTEMS
        for own in [each in PCQ_SYSTEMS]
        if each.name in speeds and _has(runs, each, NEW_SPEAKERS)
    ]


def _protocols(runs: Runs) -> Iterator[str]:
    """Yield the section on the paper's own settings, if it was run."""
    rows, sentences = [], []
    for system in PAPER_SYSTEMS:
        found = [(each, runs[system.name, each.name]) for each in PAPER_CONDITIONS if _has(runs, system, each)]
        rows += [
            [system.title, each.title, str(run.score("wa")), str(run.score("ua")), leaks(run)] for each, run in found
        ]
        base = runs.get((system.name, NEW_SPEAKERS.name))
        if base is not None:
            changes = [
                f"{each.title}: {100 * (run.score('ua').value - base.score('ua').value):+.1f} points of UA"
                for each, run in found
                if run is not base
            ]
            sentences += [f"{system.title}, against new speakers: {'; '.join(changes)}.\n"] if changes else []
    if rows:
        yield "\n".join([PROTOCOL, *_markdown(["system", "protocol", "WA", "UA", "leak"], rows), "", *sentences])


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check page and figure; return the exit code."""
    parser = ArgumentParser(description="Write docs/systems.md from docs/results/systems.jsonl.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something is out of date")
    try:
        write(DOCS, check=parser.parse_args(arguments).check)
    except PcqtoolError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def write(docs: Path, check: bool = False) -> None:
    """Write page and figure, or check them.

    Raises:
        ReportError: if one of them is out of date.
    """
    path, page, picture = docs / "results" / records.RECORDS.name, docs / "systems.md", docs / FIGURE
    runs, speeds = load_runs(path)
    text, shown = render(runs, speeds), points(runs, speeds)
    if not check:
        write_whole(page, text.encode())
        if len(shown) > 1:
            figure.draw(shown, picture)
        return
    up_to_date = page.is_file() and page.read_text(encoding="utf-8") == text
    if not up_to_date or (len(shown) > 1 and not figure.shows(picture, shown)):
        raise ReportError(f"{page} does not agree with {path}", "Run 'python docs/make_systems.py' and commit.")


if __name__ == "__main__":
    sys.exit(main())
