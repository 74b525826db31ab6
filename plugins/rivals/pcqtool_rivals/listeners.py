"""Human listeners on EMO-DB (Burkhardt et al., Interspeech 2005): the result of the corpus's own listening test."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pcqtool.corpora import CorpusError


class Recognition(NamedTuple):
    """How often listeners named the acted emotion, as fractions.

    Attributes:
        wa: mean over the recordings.
        ua: mean over the emotions of the mean over their recordings.
        n: recordings.
    """

    wa: float
    ua: float
    n: int


def recognition(table: Path, recordings: set[str]) -> Recognition:
    """Read the listening test's table, ``erkennung.txt``.

    Args:
        table: the file; each line has a number, a file name, the percentage that recognised the emotion, and the
            percentage that found it natural, with decimal commas.
        recordings: file names; other lines of the table, of recordings that are not published, do not count.

    Raises:
        CorpusError: if a recording has no line in the table.
    """
    rows = [line.split() for line in table.read_text("latin-1").splitlines()[1:]]
    rates = {row[1]: float(row[2].strip("\xa0").replace(",", ".")) / 100 for row in rows if len(row) > 2}
    if missing := sorted(recordings - rates.keys()):
        raise CorpusError(f"{table} has no line on {missing[0]}")
    by_emotion: dict[str, list[float]] = {}
    for name in sorted(recordings):
        by_emotion.setdefault(name[5], []).append(rates[name])  # 03a01Fa.wav: F is the emotion
    everything = [rate for each in by_emotion.values() for rate in each]
    return Recognition(
        float(np.mean(everything)), float(np.mean([np.mean(each) for each in by_emotion.values()])), len(everything)
    )
