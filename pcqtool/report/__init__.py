"""Figures, tables and pages made of finished runs: what the paper shows, for any corpus."""
