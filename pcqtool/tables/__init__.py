"""Result tables: schemas, provenance, atomic writing, merging, reading and the segment-to-file rules."""
