"""In: the name of a corpus. Out: a book to read, downloaded once or invented (`storyteller`).

Never: cleans, or commits a text to a run.
"""
