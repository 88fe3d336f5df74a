"""In: a trained run and a file of examples. Out: a new run folder whose model answers; it resumes and never changes the
run it came from.

`beginning` remembers what a run was begun with, `examples` turns a file into what training reads; one file a method.
Never: computes a loss (modou.train does), or prints.
"""
