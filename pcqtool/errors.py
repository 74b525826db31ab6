"""The one tree of errors: raised where the fault is known, turned into text and exit code by the command line."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process returns to its caller."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    SOME_FAILED = 3
    LOCKED = 75  # EX_TEMPFAIL of sysexits.h
    INTERRUPTED = 130  # 128 + SIGINT
    TERMINATED = 143  # 128 + SIGTERM


class PcqtoolError(Exception):
    """A fault that a user can understand: what happened, and a hint at what to do about it."""

    exit_code = ExitCode.FAILED

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n{self.hint}" if self.hint else self.what


class SettingsError(PcqtoolError):
    """A value that a user gave cannot be used."""

    exit_code = ExitCode.USAGE


class LockedError(PcqtoolError):
    """Another run is writing to the same output."""

    exit_code = ExitCode.LOCKED


class TerminatedError(BaseException):
    """The process was asked to stop; what is finished is kept.

    It can be raised between any two lines, so it is no ``Exception`` (as KeyboardInterrupt is none): what catches
    those to go on with the next file does not catch this.
    """

    exit_code = ExitCode.TERMINATED

    def __init__(self, what: str = "terminated", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class AudioError(PcqtoolError):
    """A recording cannot be read; a batch makes a row of it and goes on."""


class AccessError(AudioError):
    """A recording cannot be read at the moment: the fault is the disk's or the machine's; the next run tries again."""


class ModelError(PcqtoolError):
    """A model directory or an encoder is missing, damaged or does not fit."""


class CorpusError(PcqtoolError):
    """A corpus is missing, incomplete or does not fit what was asked of it."""


class FileError(PcqtoolError):
    """A file or folder cannot be written; the hint names the remedy."""


class TableError(PcqtoolError):
    """A result table is missing, damaged, or does not fit what is asked of it."""


class TrainingError(PcqtoolError):
    """A training run cannot go on."""


class CacheError(TrainingError):
    """The feature cache cannot be written to; a run can go on without it where memory suffices."""


class ReportError(PcqtoolError):
    """A figure or page cannot be made of what a run holds, or is not what the runs say."""
