"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How it stands: a warning leaves the tool usable, a fault does not."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One row of the doctor's report.

    Attributes:
        check: what was looked at.
        status: how it stands.
        found: what is there.
        remedy: what to do; empty where nothing needs doing.
    """

    check: str
    status: Status
    found: str
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """Make a finding of something that is as it should be."""
    return Finding(check, Status.OK, found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """Make a finding of something that may hinder."""
    return Finding(check, Status.WARNING, found, remedy)


def fault(check: str, found: str, remedy: str) -> Finding:
    """Make a finding of something that must be mended."""
    return Finding(check, Status.FAULT, found, remedy)
