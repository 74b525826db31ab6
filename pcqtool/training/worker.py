"""Worker processes that do not outlive the one that started them, even where that is killed."""

from __future__ import annotations

import os
import threading
import time

CHECK_S = 1.0


def end_with_parent() -> None:
    """End this process, whatever it is at, within about a second of its parent's end. For POSIX systems.

    Linux's own signal for that (``PR_SET_PDEATHSIG``) comes when the *thread* ends that has started the process.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), name="watch-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK_S)
    os._exit(1)
