"""Where the encoders lie that models name but do not hold; looking for them needs no torch."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcqtool.errors import ModelError
from pcqtool.model.config import CONFIG, EncoderRef, ModelConfig
from pcqtool.model.safe_files import read_json
from pcqtool.tables.paths import at_home

_log = logging.getLogger(__name__)

VARIABLE = "PCQTOOL_ENCODERS"
WEIGHTS = "model.safetensors"
_WIDTHS = ("d_model", "hidden_size")


def nearby(source: str | Path) -> str | Path:
    """Give the directory of an encoder's name in a folder that ``PCQTOOL_ENCODERS`` names; else the source as it is.

    ``openai/whisper-base`` lies in ``whisper-base``. A directory that is named as such comes first.
    """
    if isinstance(source, Path) or Path(source).is_dir():
        return source
    if source.startswith("~"):  # in a recipe
        return at_home(source)
    name = source.rpartition("/")[2]
    folders = [at_home(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    places = [place for folder in folders for place in (folder, folder / name) if place.name == name]
    return next((place for place in places if (place / CONFIG).is_file()), source)


@dataclass(frozen=True)
class EncoderSearchPath:
    """Where to look: folders, then the Hub's cache on this machine, then the Hub itself if that is allowed.

    Attributes:
        folders: encoder directories, or folders that hold some; ``None`` for those that ``PCQTOOL_ENCODERS`` names.
        download: whether to fetch from the Hub what is nowhere on this machine.
        tell: told of a download before it begins.
    """

    folders: tuple[Path, ...] | None = None
    download: bool = False
    tell: Callable[[str], None] = lambda text: None

    def candidates(self, config: ModelConfig) -> Iterator[Path]:
        """Give the directories on this machine whose encoder has the kind and width of the one that a model names.

        Only a hash of the tensors shows whether it is the one. Without any, a download is the last candidate.

        Raises:
            ModelError: if there is none, saying where it was looked for and how to get it.
        """
        if (source := config.encoder_source) is None:
            return
        here = [place for place in self._directories(source) if _alike(place, config.network)]
        yield from here
        if not here:
            yield self._fetch(config.name, source)

    def _directories(self, source: EncoderRef) -> Iterator[Path]:
        for folder in self._folders():
            yield from (folder, *sorted(path.parent for path in folder.glob(f"*/{CONFIG}")))
        if (cached := _cached(source.name)) is not None:
            yield cached

    def _folders(self) -> list[Path]:
        named = os.environ.get(VARIABLE, "").split(os.pathsep) if self.folders is None else self.folders
        return [at_home(folder) for folder in named if folder]

    def _fetch(self, model: str, source: EncoderRef) -> Path:
        looked = [f"{folder}{'' if folder.is_dir() else ' (no such directory)'}" for folder in self._folders()]
        looked.append("the Hub's cache")
        if self.download and "/" in source.name:
            self.tell(f"fetching the encoder {source.name} from the Hugging Face Hub, this once")
            try:
                return _download(source.name)
            except Exception as error:  # of many unrelated kinds: no network, no such file, disk full
                looked.append(f"the Hub ({(str(error).strip().splitlines() or [type(error).__name__])[0]})")
        raise ModelError(
            f"model {model} needs the encoder {source.name}, which is not in {', '.join(looked)}", remedy(source)
        )


def remedy(source: EncoderRef) -> str:
    """Say how to get an encoder, or where to name it."""
    return (
        f"Run 'hf download {shlex.quote(source.name)} {CONFIG} {WEIGHTS}' while online, "
        f"or name its directory with --encoder-dir or {VARIABLE}."
    )


def _alike(place: Path, network: Mapping[str, Any]) -> bool:
    """Say whether there is an encoder of the kind and, where both sides tell it, the width that a network has."""
    try:
        found = read_json(place / CONFIG)
        encoder, architecture = network["encoder"], network["encoder"]["architecture"]
        return (
            (place / WEIGHTS).is_file()
            and bool(found["model_type"] == encoder["kind"])
            and all(found.get(name) == architecture[name] for name in _WIDTHS if name in found and name in architecture)
        )
    except (OSError, KeyError, TypeError, AttributeError, ValueError):
        return False


def _cached(name: str) -> Path | None:
    """Find an encoder that was downloaded before."""
    from huggingface_hub import try_to_load_from_cache

    with suppress(ValueError, OSError):  # no possible id; a cache that may not be read
        found = [try_to_load_from_cache(name, file) for file in (CONFIG, WEIGHTS)]
        if all(isinstance(path, str) for path in found):
            return Path(str(found[0])).parent
    return None


def _download(name: str) -> Path:
    from huggingface_hub import hf_hub_download, model_info
    from huggingface_hub import utils as untyped

    model_info(name, timeout=10)  # tells at once that there is no network, which a download tries for half a minute
    utils: Any = untyped
    shown = not utils.are_progress_bars_disabled()
    utils.disable_progress_bars()  # what is said on stderr is the command line's to decide
    try:
        hf_hub_download(name, CONFIG)
        return Path(hf_hub_download(name, WEIGHTS)).parent
    finally:
        if shown:
            utils.enable_progress_bars()


def search_path(folders: Sequence[str | os.PathLike[str]] | None, download: bool) -> EncoderSearchPath:
    """Return where to look for an encoder; the Hub only if the user has asked for the model by its name."""
    return EncoderSearchPath(tuple(map(Path, folders)) if folders else None, download, _log.info)
