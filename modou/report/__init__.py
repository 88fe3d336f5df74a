"""The page of a run: report.json as one HTML file without network access or JavaScript.

Sections whose numbers are missing are left out. Shows only numbers that are in report.json or derived from them.
"""
