"""All errors of pcqtool in one tree: raised where the fault is detected, printed once by the command line."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    SOME_FAILED = 3
    LOCKED = 75  # EX_TEMPFAIL of sysexits.h
    INTERRUPTED = 130  # 128 + SIGINT
    TERMINATED = 143  # 128 + SIGTERM


class PcqtoolError(Exception):
    """Base class of errors that a user can understand (exit code 1 unless a subclass states another).

    Attributes:
        what: what happened, and in which file.
        hint: what to do about it; may be empty.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n{self.hint}" if self.hint else self.what


class SettingsError(PcqtoolError):
    """An option, argument or settings file has an invalid value (exit code 2)."""

    exit_code = ExitCode.USAGE


class LockedError(PcqtoolError):
    """Another run is writing to the same output (exit code 75)."""

    exit_code = ExitCode.LOCKED


class TerminatedError(BaseException):
    """The process received a request to stop, such as SIGTERM (exit code 143); finished work is kept.

    It can be raised between any two statements. Like KeyboardInterrupt it is not an ``Exception``, so that handlers
    that catch exceptions and continue with the next file do not catch it.
    """

    exit_code = ExitCode.TERMINATED

    def __init__(self, what: str = "terminated", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class AudioError(PcqtoolError):
    """A recording cannot be read (exit code 1); a batch run stores it as a failed row and continues."""


class AccessError(AudioError):
    """A recording cannot be read at the moment, because of the disk or the machine; the next run tries again."""


class ModelError(PcqtoolError):
    """A model directory or an encoder is missing, damaged or incompatible (exit code 1)."""


class ProfileError(PcqtoolError):
    """A profile is missing, damaged, or belongs to another model (exit code 1)."""


class CorpusError(PcqtoolError):
    """A corpus is missing or incomplete, or does not suit the request (exit code 1)."""


class FileError(PcqtoolError):
    """A file or folder cannot be written; the hint names the remedy (exit code 1)."""


class TableError(PcqtoolError):
    """A result table is missing, damaged, or does not fit the request (exit code 1)."""


class TrainingError(PcqtoolError):
    """A training run cannot continue (exit code 1)."""


class CacheError(TrainingError):
    """The feature cache cannot be written (exit code 1); a run continues without it if memory suffices."""


class ReportError(PcqtoolError):
    """A figure or page cannot be made from a finished run, or contradicts the runs (exit code 1)."""
