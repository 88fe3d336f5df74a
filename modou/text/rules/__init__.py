"""In: lines of text. Out: the lines as a cleaning rule leaves them. One file a rule.

Never: reads files.
"""
