"""The network with the small encoder as a graph for OpenVINO, built from a model's weights; no torch."""
