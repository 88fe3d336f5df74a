"""In: a model, an objective, settings, a run folder. Out: events, metrics, checkpoints that resume bit by bit.

One loop for every objective. Never: prints, or depends on which objective it is.
"""
