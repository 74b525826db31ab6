"""Files: atomic writing, locks, and opening by path."""
