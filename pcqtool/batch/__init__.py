"""Recordings in bulk: a plan freezes the inputs into parts, each part becomes two tables, the parts are merged.

What is made of the recordings is a ``Work``: labels (``pcqtool.labelling``) or features (``pcqtool.features``).
"""
