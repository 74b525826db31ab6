"""PCQ and its rivals under the same protocols: ``python -m benchmarks.systems``."""
