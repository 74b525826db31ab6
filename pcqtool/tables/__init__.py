"""Result tables: schemas, provenance, paths, writing, reading and joining."""
