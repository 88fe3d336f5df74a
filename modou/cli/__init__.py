"""In: the words of a command line. Out: events drawn on a terminal, one JSON object, an exit status.

A command is one function; what it can be asked stands in `table`. Everything the terminal shows passes through here.
Never: trains, measures or decides anything itself.
"""
