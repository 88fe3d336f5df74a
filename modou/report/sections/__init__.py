"""In: the page being written. Out: one section as HTML, or None where its numbers are missing.

One file a theme. Never: reads or writes files.
"""
