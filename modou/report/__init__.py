"""In: the dictionary of one run (report.json), or of several. Out: one page that needs no network and no JavaScript.

Sections whose numbers are missing are left out.
Never: measures, computes a model's output, or shows a number that is not in the dictionary or derived from it.
"""
