"""In: nothing. Out: presets as TOML: one a file, or one a table where the file names no `method` (settings.presets).

Never: says which stage of a task follows which (its recipe does: tasks.base).
"""
