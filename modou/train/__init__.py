"""In: a model, data and an objective. Out: a trained model, its checkpoints and events that tell how it went.

Never: prints, or knows which objective it runs.
"""
