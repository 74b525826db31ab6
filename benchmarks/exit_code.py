"""Running a benchmark's command line: errors in two lines, and an exit code."""

from __future__ import annotations

from collections.abc import Sequence

from pcqtool.cli.common import console
from pcqtool.cli.common.program import Program
from pcqtool.errors import PcqtoolError


def exit_code_of(app: Program, name: str, arguments: Sequence[str] | None) -> int:
    """Run a command line as the program of a name; return its exit code."""
    try:
        app(arguments, prog_name=name)
    except PcqtoolError as error:
        console.error(error.what, error.hint)
        return error.exit_code
    except SystemExit as end:
        return int(end.code or 0)
    return 0
