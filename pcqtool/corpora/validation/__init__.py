"""Validation of a copy of a corpus: complete, readable, without duplicates."""
