"""In: a model, its tokenizer, prompts, sampling settings. Out: text, piece by piece, with ids and log-probabilities.

Logits become ids in `sampling`, ids become more ids in `decode`, ids become text in `engine`; `session` loads a run and
asks it: to continue, to answer, to score. Never: prints, trains, or writes files.
"""
