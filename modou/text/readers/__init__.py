"""In: a book as a text file, a folder or JSON rows. Out: documents of plain text.

Never: cleans.
"""
