"""Run folders. In: the path of one. Out: its settings, stage records, checkpoints, lock and weights.

Writes are atomic, reads are verified. Never: trains or prints.
"""
