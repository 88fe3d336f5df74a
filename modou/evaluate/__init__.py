"""In: texts, and models that score or continue them. Out: frozen results with n, a 95 % interval and a baseline.

Bits per character, n-gram models and compressors, novelty, diversity. Never: trains a GPT, prints, or changes the text.
"""
