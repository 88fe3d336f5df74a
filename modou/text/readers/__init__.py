"""In: a file or folder in any of the formats of a book. Out: documents of plain text. One file a format.

Never: cleans.
"""
