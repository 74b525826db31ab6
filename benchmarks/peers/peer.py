"""The programs that pcqtool is compared with: what runs, under which licence, and how it is installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = "benchmarks.peers.programs"


@dataclass(frozen=True)
class Peer:
    """A program that is measured.

    Attributes:
        name: what the page calls it.
        module: module that loads and runs it.
        kind: which of the module's programs it is.
        call: the call that is timed, as its documentation has it; DIR is a folder in the place of a published model.
        license: licence of the code, and of the published weights if it is another.
        requirements: what pip installs for it.
        environment: name of the virtual environment that has them; the folder of the interpreter that measures if there
            is none of this name.
        random_weights: whether it runs with random weights of the published sizes.
    """

    name: str
    module: str
    kind: str
    call: str
    license: str
    requirements: Sequence[str] = ()
    environment: str = ""
    random_weights: bool = False

    def python(self, environments: Path) -> str:
        """Return the interpreter that has the program, if it is installed at all."""
        own = environments / self.environment / "bin" / "python"
        return str(own) if self.environment and own.exists() else sys.executable

    def installing(self, environments: Path) -> str:
        """Return the commands that install the program."""
        if not self.environment:
            return f"pip install {' '.join(self.requirements)}"
        folder = environments / self.environment
        return f"python -m venv {folder} && {folder}/bin/pip install {' '.join(self.requirements)}"


PEERS = (
    Peer("pcqtool, VAD off", f"{PROGRAMS}.pcqtool_labelling", "off", "pcqtool label --vad off", "MIT"),
    Peer("pcqtool, VAD on", f"{PROGRAMS}.pcqtool_labelling", "on", "pcqtool label", "MIT"),
    Peer(
        "openSMILE eGeMAPS",
        f"{PROGRAMS}.opensmile_functionals",
        "eGeMAPSv02",
        "opensmile.Smile(eGeMAPSv02, Functionals).process_files(files)",
        "audEERING, not for commercial products",
        ("opensmile",),
    ),
    Peer(
        "openSMILE ComParE",
        f"{PROGRAMS}.opensmile_functionals",
        "ComParE_2016",
        "opensmile.Smile(ComParE_2016, Functionals).process_files(files)",
        "audEERING, not for commercial products",
        ("opensmile",),
    ),
    Peer(
        "transformers, Whisper-base",
        f"{PROGRAMS}.transformers_pipeline",
        "whisper",
        'pipeline("audio-classification", DIR)(waves)',
        "Apache-2.0",
        ("transformers", "torch", "soundfile"),
        random_weights=True,
    ),
    Peer(
        "transformers, HuBERT-base",
        f"{PROGRAMS}.transformers_pipeline",
        "hubert",
        'pipeline("audio-classification", DIR)(waves)',
        "Apache-2.0",
        ("transformers", "torch", "soundfile"),
        random_weights=True,
    ),
    Peer(
        "SpeechBrain, wav2vec2-IEMOCAP",
        f"{PROGRAMS}.speechbrain_recogniser",
        "base",
        "foreign_class(DIR, …).classify_file(file)",
        "Apache-2.0",
        ("speechbrain", "transformers", "torch", "torchaudio", "soundfile"),
        "speechbrain",
        random_weights=True,
    ),
    Peer(
        "FunASR, emotion2vec+ base",
        f"{PROGRAMS}.emotion2vec",
        "base",
        'AutoModel(DIR).generate(files, granularity="utterance", extract_embedding=False)',
        "MIT; weights: FunASR Model License",
        ("funasr", "torch", "torchaudio"),
        "funasr",
        random_weights=True,
    ),
)
