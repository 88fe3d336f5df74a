"""In: a book (file, folder, rows) or the name of a corpus. Out: cleaned chapters, their split, token ids.

What cleaning removes is counted and shown; the held-out chapters keep every character of the text.
Never: knows the model, or draws anything.
"""
