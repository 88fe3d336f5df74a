"""The rules of cleaning: one file a rule."""
