"""Corpora: which recordings carry which labels. No audio is read here."""
