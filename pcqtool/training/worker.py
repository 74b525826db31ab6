"""Worker processes that exit with the process that started them, even if that is killed."""

from __future__ import annotations

import os
import threading
import time

CHECK_S = 1.0


def exit_with_parent() -> None:
    """Exit this process within about a second of its parent's exit, whatever it is computing; for POSIX systems.

    Linux's own signal for that, ``PR_SET_PDEATHSIG``, is sent when the *thread* that started the process ends.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), name="watch-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK_S)
    os._exit(1)
