"""In: token ids. Out: hidden states, logits, a loss.

One GPT in three layouts that other software loads: GPT-2, GPT-NeoX, Qwen3.
Never: reads files, samples, or updates a weight.
"""
