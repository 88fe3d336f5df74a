"""The command line. In: arguments. Out: events on a terminal, or one JSON object; an exit status.

A command is one file of `commands`, found by `table`. Never: trains, measures, or plans.
"""
