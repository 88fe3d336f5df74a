"""The commands, one file each, which defines COMMAND.

A new file here is a new command. Its messages are help.NAME_brief, help.NAME_about and help.NAME_examples, and
help.own_OPTION for an option that no other command has.
"""
