"""The page of `modou compare`: compare.json as one HTML file without network access or JavaScript.

One module per topic; a run has the same colour and marker in every figure. Shows only numbers that are in compare.json
or derived from them.
"""

COMPARE_JSON, COMPARE_HTML = "compare.json", "compare.html"
