"""In: what a question asks for, and an answer. Out: whether rules find it right; data, pairs and a recipe to learn it.

`base` says what a task is, `registry` lists them, `judges` scores answers by one of them or by a reward model; each
task is one folder (or file) of its own, and nothing outside knows what is in it.
Never: trains, or writes a file.
"""
