"""Corpora: which recordings carry which labels. Only ``contents`` reads audio, to check a copy."""
