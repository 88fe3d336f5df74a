"""The training loop. In: a model, an objective, settings, a run folder. Out: events, metrics, resumable checkpoints.

One loop for every objective. Never: prints, or depends on a particular objective.
"""
