"""The network. In: token ids. Out: hidden states, logits, losses.

One GPT with the architecture of GPT-2, GPT-NeoX or Qwen3. Never: reads files, samples, or updates a weight.
"""
