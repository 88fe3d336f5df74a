"""In: a path. Out: the run that lies there: its files, checkpoints, lock and weights.

What is written is whole or absent; what is read is verified. Never: trains, or prints.
"""
