"""In: a language, a size and a seed. Out: the raw book of an invented world, a parser and true questions for it.

Never: repeats a sentence of a real book, or tells what its own world contradicts.
"""
