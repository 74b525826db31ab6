"""Training of models: recipes, data, the loop, checkpoints and export."""
