"""Corpora of your own recordings: a table of files and labels, or folders named after labels."""
