"""In: the name of a corpus. Out: its text, downloaded once and checked, or generated (`storyteller`).

Never: cleans a text, or copies one into a run.
"""
