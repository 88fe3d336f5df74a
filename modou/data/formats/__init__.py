"""In: files of examples in the formats in use. Out: conversations, preference pairs and prompts in one form.

The format is recognised by a row's keys or given as a mapping of columns; a bad row is reported as file:line: reason.
Never: repairs a row, or lets text become a control token.
"""
