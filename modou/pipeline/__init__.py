"""In: a book and settings. Out: a finished run folder, told as a stream of events; plans; a diagnosis of the machine.

Each stage is a function of its own; `run` is all of them in order, and takes up where it was stopped.
Never: prints.
"""
