"""Results of a check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CheckStatus(StrEnum):
    """Result of a check: the tool works despite a warning, but not with a fault."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One row of the report.

    Attributes:
        check: name of the check.
        status: its result.
        found: description of the installed version or state.
        remedy: instructions for the user; empty if nothing needs to be done.
    """

    check: str
    status: CheckStatus
    found: str
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """Create a finding without a problem."""
    return Finding(check, CheckStatus.OK, found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """Create a finding about a limitation."""
    return Finding(check, CheckStatus.WARNING, found, remedy)


def fault(check: str, found: str, remedy: str) -> Finding:
    """Create a finding about a fault that must be repaired."""
    return Finding(check, CheckStatus.FAULT, found, remedy)
