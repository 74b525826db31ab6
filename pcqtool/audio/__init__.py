"""Audio: discovery and decoding of recordings, 16 kHz segments with speech fractions, and spectrograms."""
