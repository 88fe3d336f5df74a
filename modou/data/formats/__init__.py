"""In: files of examples in any of the shapes people publish. Out: conversations, preferences, prompts, all alike.

A row is recognised by its keys, or read through a mapping of columns. A bad row is reported as file:line: reason.
Never: repairs what a row says, or lets a row's text become a control symbol.
"""
