"""In: a book (text file, folder or JSON rows). Out: cleaned chapters, split into train, validation and test.

The report counts every change. Rules at the place `training` change training chapters only.
"""
