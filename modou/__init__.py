"""modou (魔豆): grow a GPT from your own text, on the computer you have, with every step visible."""

__version__ = "0.1.0"
