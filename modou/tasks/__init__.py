"""In: what a question asks for, and an answer. Out: whether rules find it right, and files of examples to learn from.

What alignment is tried on: Tang poems, and questions about the storyteller's world.
Never: knows a model.
"""
