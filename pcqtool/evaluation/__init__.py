"""Evaluation: cross-validation, other corpora, finished models, comparisons and studies."""
