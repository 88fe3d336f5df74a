"""In: a book (file, folder, rows). Out: cleaned chapters and their split into train, validation and test.

What cleaning removes is counted and shown; held-out chapters keep every character. Never: tokenizes.
"""
