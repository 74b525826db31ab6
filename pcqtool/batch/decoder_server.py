"""The server process that decoders are forked from; it can be started before anything else is loaded."""

from __future__ import annotations

import multiprocessing as mp
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

IS_POSSIBLE = "forkserver" in mp.get_all_start_methods()  # not on Windows
LOADED = ("pcqtool.batch.isolation", "av", "soundfile", "soxr", "threadpoolctl")  # before decoders are forked

lock = threading.RLock()
"""Guards the start of processes. Reentrant: a garbage-collected generator returns its decoder, in any thread."""


def start_server() -> None:
    """Start the server process, without waiting until it has loaded the decoders; it ends with this process."""
    from multiprocessing import forkserver

    forkserver.set_forkserver_preload(list(LOADED))
    with lock, without_main_module():
        forkserver.ensure_running()


@contextmanager
def without_main_module() -> Iterator[None]:
    """Keep multiprocessing from importing the user's script into decoders: it may start another run."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
