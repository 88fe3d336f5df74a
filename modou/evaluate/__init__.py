"""Measures of models and texts with 95 % intervals and baselines: bits per character, n-gram models, xz, novelty,
diversity, win rates."""
