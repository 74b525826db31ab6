"""Labelling in bulk: each segment judged by a model, each file by its segments."""
