"""In: files of examples in published formats. Out: conversations, preference pairs and prompts as Example objects.

The format is recognised by a row's keys or given as a mapping of columns; a bad row is reported as file:line: reason.
Never: changes what a row says without a note, or lets text become a control token.
"""
