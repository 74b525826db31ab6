"""pcqtool: batch speech emotion recognition by progressive channel querying (PCQ)."""

__version__ = "0.1.0"
