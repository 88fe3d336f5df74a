"""Books (file, folder, rows) to cleaned chapters, split into train, validation and test.

Everything that cleaning removes is reported; held-out chapters keep every character.
"""
