"""pcqtool beside other programs for emotions in speech: ``python -m benchmarks.peers`` measures them in turn."""
