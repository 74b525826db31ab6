"""Packages that only some formats need, in the extra ``pcqtool[export]``."""

from __future__ import annotations

from importlib.util import find_spec

from pcqtool.errors import SettingsError


def require(module: str, format_name: str) -> None:
    """Check that a module is installed, without importing it.

    Args:
        module: the module that writes the format.
        format_name: the format, for the error.

    Raises:
        SettingsError: if it is missing; the hint names what to install.
    """
    if find_spec(module) is None:
        raise SettingsError(f"{format_name} needs {module}, which is not installed", "pip install 'pcqtool[export]'")
