"""From files to 16 kHz segments, speech shares and spectrograms."""
