"""In: the numbers of a run (report.json). Out: one HTML page that needs neither network nor JavaScript.

A section whose numbers are missing is left out. Never: measures, or shows a number that is not in report.json or
derived from it.
"""
