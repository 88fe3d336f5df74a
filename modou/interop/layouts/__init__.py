"""The layouts of other libraries, one file each, which defines LAYOUT. In: weights and settings of ours, or tensors and
config.json of theirs. Out: the other. Never: reads or writes a file.

| modou                       | transformers | difference                                               |
|-----------------------------|--------------|----------------------------------------------------------|
| classic+learned             | GPT-2        | matrices are stored transposed, (in, out)                |
| classic+rope                | GPT-NeoX     | q, k, v of all heads become q, k, v of each head in turn |
| modern+rope                 | Qwen3        | q, k, v and gate, up become matrices of their own        |
| modern+rope without QK-norm | Llama        | the same                                                 |
"""

from modou.interop.layouts import gpt2, gpt_neox, llama, qwen3
from modou.interop.layouts.base import Config, Layout
from modou.messages import UserError
from modou.settings.model import ModelSettings

LAYOUTS: dict[str, Layout] = {module.LAYOUT.model_type: module.LAYOUT for module in (gpt2, gpt_neox, llama, qwen3)}
"""By the `model_type` of config.json."""


def layout_of(settings: ModelSettings) -> Layout:
    """The layout of a model of ours. UserError: none has its size of heads."""
    for layout in LAYOUTS.values():
        if layout.fits(settings):
            return layout
    raise UserError("interop.head_size", size=settings.head_width, wanted=f"{settings.width} / {settings.heads}")


def layout_for(config: Config) -> Layout:
    """The layout of a config.json. UserError: there is none for its model_type."""
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in LAYOUTS:
        raise UserError("interop.model_type", model_type=str(model_type)[:60], known=", ".join(LAYOUTS))
    return LAYOUTS[model_type]
