"""Measurements of speed, memory and robustness; ``python -m benchmarks`` measures the speed of labelling."""
