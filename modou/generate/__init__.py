"""In: a model, its tokenizer, prompts, sampling settings. Out: text piece by piece, with ids and log-probabilities.

`sampling`: logits to ids; `decode`: ids to further ids; `engine`: ids to text; `session`: a run that continues, answers
and scores. Never: prints, trains, or writes files.
"""
