"""Segments."""

SAMPLE_RATE = 16000
SEGMENT_S = 3.0
