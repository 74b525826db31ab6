"""Files: atomic writing, locks, and the display of paths."""
