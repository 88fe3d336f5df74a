"""In: the path of a run folder. Out: its settings, checkpoints, lock and weights.

What is written is whole or absent; what is read is verified. Never: trains, or prints.
"""
