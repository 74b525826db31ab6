"""Search for the external encoders of models, without torch."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcqtool.arguments import StrPath, as_list
from pcqtool.errors import ModelError
from pcqtool.files.display import expand_home
from pcqtool.model.config import CONFIG, EncoderRef, ModelConfig
from pcqtool.model.untrusted_files import read_json

_log = logging.getLogger(__name__)

ENCODERS_VARIABLE = "PCQTOOL_ENCODERS"
WEIGHTS = "model.safetensors"
_WIDTHS = ("d_model", "hidden_size")


def resolve_local(source: str | Path) -> str | Path:
    """Return the directory of a named encoder in the folders of ``PCQTOOL_ENCODERS``; otherwise return the name itself.

    ``openai/whisper-base`` is located in ``whisper-base``. An existing directory of the given name takes precedence.
    """
    if isinstance(source, Path) or Path(source).is_dir():
        return source
    if source.startswith("~"):  # in a recipe
        return expand_home(source)
    name = source.rpartition("/")[2]
    candidates = [path for folder in _folders(None) for path in (folder, folder / name) if path.name == name]
    return next((path for path in candidates if (path / CONFIG).is_file()), source)


@dataclass(frozen=True)
class EncoderSearchPath:
    """Places to search: folders, then the Hub's cache on this machine, then the Hub itself if allowed.

    Attributes:
        folders: encoder directories, or folders of such directories; ``None`` for those in ``PCQTOOL_ENCODERS``.
        download: download the encoder from the Hub if it is not on this machine.
        on_download: called with a message before a download begins.
    """

    folders: tuple[Path, ...] | None = None
    download: bool = False
    on_download: Callable[[str], None] = lambda text: None

    def candidates(self, config: ModelConfig) -> Iterator[Path]:
        """Yield the directories whose encoder has the kind and width of a model's external encoder.

        Only the hash of the tensors identifies the encoder. If no directory matches, a download is the last candidate.

        Raises:
            ModelError: if there are no candidates; the message lists the searched places and how to get the encoder.
        """
        if (source := config.encoder_source) is None:
            return
        local = [path for path in self._directories(source) if _matches(path, config.network)]
        yield from local
        if not local:
            yield self._download(config.name, source)

    def _directories(self, source: EncoderRef) -> Iterator[Path]:
        for folder in _folders(self.folders):
            yield from (folder, *sorted(path.parent for path in folder.glob(f"*/{CONFIG}")))
        if (cached := _cached(source.name)) is not None:
            yield cached

    def _download(self, model: str, source: EncoderRef) -> Path:
        searched = [f"{folder}{'' if folder.is_dir() else ' (no such directory)'}" for folder in _folders(self.folders)]
        searched.append("the Hub's cache")
        if self.download and "/" in source.name:
            self.on_download(f"downloading the encoder {source.name} from the Hugging Face Hub, only this once")
            try:
                return _download(source.name)
            except Exception as error:  # of many unrelated kinds: no network, no such file, disk full
                searched.append(f"the Hub ({(str(error).strip().splitlines() or [type(error).__name__])[0]})")
        raise ModelError(
            f"model {model} needs the encoder {source.name}, which is not in {', '.join(searched)}", remedy(source)
        )


def _folders(named: Sequence[Path] | None) -> list[Path]:
    """Return some folders, or those of ``PCQTOOL_ENCODERS``."""
    texts = os.environ.get(ENCODERS_VARIABLE, "").split(os.pathsep) if named is None else named
    return [expand_home(folder) for folder in texts if folder]


def remedy(source: EncoderRef) -> str:
    """Describe how to get an encoder, or how to name its directory."""
    return (
        f"Run 'hf download {shlex.quote(source.name)} {CONFIG} {WEIGHTS}' while online, "
        f"or name its directory with --encoder-dir or {ENCODERS_VARIABLE}."
    )


def _matches(directory: Path, network: Mapping[str, Any]) -> bool:
    """Return whether a directory has an encoder of a network's kind and, if both state it, width."""
    try:
        found = read_json(directory / CONFIG)
        encoder, architecture = network["encoder"], network["encoder"]["architecture"]
        return (
            (directory / WEIGHTS).is_file()
            and bool(found["model_type"] == encoder["kind"])
            and all(found.get(name) == architecture[name] for name in _WIDTHS if name in found and name in architecture)
        )
    except (OSError, KeyError, TypeError, AttributeError, ValueError):
        return False


def _cached(name: str) -> Path | None:
    """Return the directory of an encoder in the Hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    with suppress(ValueError, OSError):  # not a valid id; an unreadable cache
        found = [try_to_load_from_cache(name, file) for file in (CONFIG, WEIGHTS)]
        if all(isinstance(path, str) for path in found):
            return Path(str(found[0])).parent
    return None


def _download(name: str) -> Path:
    from huggingface_hub import hf_hub_download, model_info
    from huggingface_hub import utils as untyped

    model_info(name, timeout=10)  # fails immediately without internet access; a download would retry for half a minute
    utils: Any = untyped
    bars = not utils.are_progress_bars_disabled()
    utils.disable_progress_bars()  # only the command line writes to stderr
    try:
        hf_hub_download(name, CONFIG)
        return Path(hf_hub_download(name, WEIGHTS)).parent
    finally:
        if bars:
            utils.enable_progress_bars()


def search_path(folders: StrPath | Sequence[StrPath] | None, download: bool) -> EncoderSearchPath:
    """Return where to look for an encoder; the Hub only if the user has asked for the model by its name."""
    return EncoderSearchPath(tuple(map(Path, as_list(folders))) or None, download, _log.info)
