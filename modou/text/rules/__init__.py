"""The cleaning rules, one per module, as functions on lines or sentences."""
