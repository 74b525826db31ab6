"""Labelling recordings: a model predicts the emotions of segments, and a rule combines them into a file's."""
