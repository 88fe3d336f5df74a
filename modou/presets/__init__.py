"""Recipes as TOML, one file a model; each runs as it stands."""
