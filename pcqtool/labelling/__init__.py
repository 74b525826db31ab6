"""Labelling in bulk: a plan freezes the inputs into parts, each part becomes two tables, the parts are merged."""
