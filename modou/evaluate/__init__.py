"""In: texts, and models that score or continue them. Out: frozen results with n, interval and twin.

Bits per character, n-gram and compressor beside it, memory against novelty, variety.
Never: trains a GPT, prints, or changes a character of what it scores.
"""
