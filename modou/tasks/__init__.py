"""Tasks: data, rule-based rewards, preference pairs and an alignment recipe.

`base` defines a task, `registry` lists them, `judges` scores answers by a task's rules or a reward model. Each task is
one folder. Never: trains, or writes a file.
"""
