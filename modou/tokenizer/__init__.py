"""In: training chapters. Out: a SentencePiece tokenizer with decode(encode(x)) == x for every string x.

Never: imports a model.
"""
