"""In: training chapters, or the tokenizer.json of another model. Out: a tokenizer that restores every text.

Never: imports a model.
"""
