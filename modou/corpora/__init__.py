"""Corpora by name: downloaded once and verified, or generated (`storyteller`)."""
