"""In: training chapters. Out: a SentencePiece tokenizer of which `decode(encode(x)) == x` holds for every string.

Never: knows the model, or what a text means.
"""
