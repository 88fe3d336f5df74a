"""In: the words of a command line. Out: events on a terminal, or one JSON object; an exit status.

The commands and their options are data in `table`; a command is one function. Never: trains, measures, or plans.
"""
