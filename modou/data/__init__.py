"""In: texts, conversations, preference pairs, and a tokenizer. Out: batches of token ids.

A batch is a pure function of seed and step. Never: imports a model.
"""
