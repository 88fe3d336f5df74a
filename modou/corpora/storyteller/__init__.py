"""In: a language, a size and a seed. Out: a book from an invented world, and questions about it with true answers.

The grammar that generates a sentence parses it, too. Never: contradicts itself, or holds a sentence of a real book.
"""
