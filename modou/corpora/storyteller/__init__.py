"""Generates books about a simulated world, and questions about them with correct answers.

The same grammar generates and parses sentences, so that contradictions in a text can be counted. A book is a pure
function of language, size and seed.
"""
