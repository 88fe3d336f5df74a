"""In: the numbers of `modou compare` (compare.json). Out: one HTML page that needs neither network nor JavaScript.

One file a theme; a run has the same colour and mark in every figure. Never: measures, or shows a number that is not in
compare.json or derived from it.
"""
