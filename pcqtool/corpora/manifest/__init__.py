"""Corpora of your own: a table of files and labels, or folders named after labels."""
