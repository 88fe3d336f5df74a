"""In: the page being written (values and words). Out: one section of it as HTML, or nothing where its numbers miss.

One file a theme, in the order of the page.
Never: reads or writes files.
"""
