"""Metrics: accuracies, confidence intervals and calibration."""
