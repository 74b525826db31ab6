"""PCQ and its parts, encoders, and model directories."""
