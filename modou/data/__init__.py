"""Texts, conversations and preference pairs to batches of token ids. A batch is a pure function of seed and step."""
