"""In: text, conversations, preference pairs, and a tokenizer. Out: rows of token ids, a function of seed and step.

`formats` reads the shapes in which people keep examples. Never: knows the model.
"""
