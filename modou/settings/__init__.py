"""Frozen, validated settings from TOML and command-line flags; an option is a field with type, bounds and docstring.

A field that was not set (not in `model_fields_set`) may be chosen by the plan.
"""
