"""In: a book (text file, folder or JSON rows). Out: cleaned chapters, split into train, validation and test.

Every change is counted in the report. Rules that alter the characters of a sentence apply to training chapters only.
"""
