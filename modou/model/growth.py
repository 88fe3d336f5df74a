"""More tokens for a trained model: rows are added to its tables, nothing else changes."""

from collections.abc import Sequence

import torch

from modou.model.gpt import GPT


@torch.no_grad()
def with_added_tokens(model: GPT, spelled: Sequence[Sequence[int]]) -> GPT:
    """A plain model on the CPU with a token more for each of `spelled`: the ids that spell the new token in words.

    A new row, of the embedding and of an untied head, is the mean of those ids' rows. Nothing is random, yet the rows
    differ, as adapters need, which leave the tables as they are; and nowhere is a new token likelier than the likeliest
    of those. The scores of the old tokens stay. Nothing to add: the model itself.
    """
    if not spelled:
        return model
    weights = model.state_dict()
    for name in ("embedding.weight", "head.weight"):
        if name in weights:
            rows_VD = weights[name]
            weights[name] = torch.cat([rows_VD, torch.stack([rows_VD[list(ids)].mean(0) for ids in spelled])])
    with torch.random.fork_rng(devices=[]):
        larger = GPT(model.settings.changed(vocabulary=model.settings.vocabulary + len(spelled)))
    larger.load_state_dict(weights)
    return larger.train(model.training)
