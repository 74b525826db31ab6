"""Distillation: a teacher's probabilities, and its frames, which a small encoder learns to predict."""
