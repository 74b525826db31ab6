"""Options that commands share which train and test: what is tested, and how."""

from __future__ import annotations

from typing import Annotated

import typer

from pcqtool.cli.common import completion

Protocol = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        metavar="NAME",
        help="Cross-validate the recipe. corpus, loso, session and sentence leave out one corpus, speaker, session "
        "or text at a time; random10 shares speakers; paper validates on the test part, to show the effect of that "
        "leak.",
        autocompletion=completion.protocols,
    ),
]

TestCorpus = Annotated[
    str | None,
    typer.Option(
        "--test-corpus",
        metavar="NAME",
        help="Train the recipe on --corpus and test it on this corpus, with their common classes. With --protocol: "
        "test on parts of this one of --corpus, and train on the others too.",
        autocompletion=completion.corpora,
    ),
]

Validation = Annotated[
    int | None,
    typer.Option(
        "--validation",
        min=1,
        metavar="N",
        help="Number of speakers (texts, tenths of the files) that validate in a fold, instead of the recipe's share.",
    ),
]

_PROFILE = (
    "What inputs are standardised by. auto: the recordings of the tested corpus, without their labels; "
    "by=speaker: also those of each speaker; off: the training data. Noted on the result."
)

Profile = Annotated[str, typer.Option("--profile", metavar="auto|off|by=speaker", help=_PROFILE)]

ProfileOrFile = Annotated[str, typer.Option("--profile", metavar="auto|off|FILE|by=speaker", help=_PROFILE)]
