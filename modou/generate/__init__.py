"""Text generation. In: a model, its tokenizer, prompts, sampling settings. Out: text, ids and log-probabilities.

`sampling`: logits to ids; `decode`: ids to further ids; `engine`: ids to text; `session`: a loaded run in use.
Never: prints or trains.
"""
