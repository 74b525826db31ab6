"""How fast: stage by stage, end to end, and beside what one would use instead, all in one run."""
