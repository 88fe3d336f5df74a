"""In: a model, an objective, settings, a run folder. Out: events, metrics, checkpoints that resume to the bit.

One loop for every objective; an objective is one file.
Never: prints, asks, or knows what it is training for.
"""
