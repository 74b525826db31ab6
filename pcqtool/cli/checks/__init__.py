"""Checks of ``pcqtool doctor``; each function returns a list of findings."""
