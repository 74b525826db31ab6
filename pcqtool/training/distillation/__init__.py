"""Distillation: a teacher's labels, and a small encoder that imitates a large one."""
