"""Batch runs: a plan divides the recordings into parts, each part becomes two tables, and the parts are merged.

The task of a run is a ``BatchTask``: labels (``pcqtool.labelling``) or features (``pcqtool.features``).
"""
