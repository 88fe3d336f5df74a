"""In: what `modou compare` found (compare.json). Out: its page, one file that needs no network and no JavaScript.

One file a theme. A run has one colour and one mark through all figures. Sections whose numbers are missing are left
out, and the page says so.
Never: measures, or shows a number that is not in the dictionary or derived from it.
"""
