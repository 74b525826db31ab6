"""The error of all checks that a plugin's tests can call."""

from __future__ import annotations

from collections.abc import Sequence


class ConformanceError(AssertionError):
    """A class does not fulfil its contract; ``problems`` lists all the reasons."""

    def __init__(self, found: object, noun: str, problems: Sequence[str]) -> None:
        name = getattr(found, "__qualname__", repr(found))
        super().__init__(f"{name} is not a valid {noun} class:" + "".join(f"\n- {each}" for each in problems))
        self.problems = tuple(problems)
