"""In: TOML and command-line flags. Out: frozen, checked settings; an option is a field with type, bounds, docstring.

A field that nobody set (not in `model_fields_set`) may be chosen by the plan. Never: reads the text, the machine or a
run.
"""
