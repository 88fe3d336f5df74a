"""The commands as functions that yield events: training runs, evaluation, reports, comparisons, diagnosis.

`runner.run` executes the stages of a run in order and resumes an interrupted one. Nothing here prints.
"""
