"""Corpora that are built in."""
