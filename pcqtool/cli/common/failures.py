"""Failures of the machine: no memory left, or an error of the disk or a stream."""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Iterator

try:
    import resource  # now, because it cannot be loaded once memory is exhausted
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# Libraries report it as an ImportError, a RuntimeError or an OSError, each in its own words.
_NO_MEMORY = re.compile(
    r"(?:can.?t|cannot|could not|unable to|failed to) (?:allocate|map)|bad_alloc|out of memory|not enough memory"
    r"|can't start new thread|memory allocation",
    re.IGNORECASE,
)

_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE, errno.ENFILE}


def explain_machine_failure(error: BaseException) -> tuple[str, str] | None:
    """Return what happened and what to do if the machine is at fault; None for any other error."""
    for each in _chain(error):
        # C code that does not check for a lack of memory returns an error without a reason.
        no_reason = isinstance(each, SystemError) and _limit_bytes() is not None
        if no_reason or isinstance(each, MemoryError) or _NO_MEMORY.search(str(each)):
            detail = str(each).strip().split("\n")[0]
            return f"not enough memory{f': {detail}' if detail else ''}", _memory_hint()
    if isinstance(error, OSError) and error.errno is not None:
        from pcqtool.files.atomic import HINTS

        place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes | os.PathLike) else ""
        reason = error.strerror or errno.errorcode.get(error.errno, str(error))
        return f"{place}{reason}", HINTS[error.errno] if error.errno in _ROOM else "See --debug for where it happened."
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def stopped_by_a_library(error: KeyboardInterrupt) -> bool:
    """Return whether a library may have interrupted the process: OpenBLAS does if its threads get no memory."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return _limit_bytes() is not None and bool(frames) and frames[-1][0].f_code.co_filename.startswith("<frozen import")


def _limit_bytes() -> int | None:
    limit = -1 if resource is None else resource.getrlimit(resource.RLIMIT_AS)[0]
    return limit if limit >= 0 else None


def _memory_hint() -> str:
    limit = _limit_bytes()
    if limit is not None:
        return f"This process may use {limit / 1e9:.1f} GB of address space (ulimit -v): allow more."
    return "Close other programs, or use less memory: a smaller --jobs or --batch-size."
