"""In: token ids. Out: hidden states, logits, losses.

One GPT in three layouts that other software loads: GPT-2, GPT-NeoX, Qwen3. Never: reads files, samples, or updates a
weight.
"""
