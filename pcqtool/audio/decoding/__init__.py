"""Decoders: from a file of any format to float32 blocks at its own sample rate."""
