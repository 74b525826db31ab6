"""Figures and tables of finished runs and models, as in the paper, for any corpus."""
