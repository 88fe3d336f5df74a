"""The chat template of `modou.data.conversation` in Jinja, as transformers and llama.cpp read it.

`{% generation %}` marks what is learned: the answer and its end mark. A role or content that conversations do not have
raises: otherwise `<|tool|>` would go in as spelled text.
"""

FILE_NAME = "chat_template.jinja"
CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role not in ['system', 'user', 'assistant'] -%}
{{- raise_exception('unknown role: this model knows system, user and assistant') -}}
{%- endif -%}
{%- if message.content is not string -%}
{{- raise_exception('the content of a message must be one text') -}}
{%- endif -%}
{{- '<|' + message.role + '|>' -}}
{%- if message.role == 'assistant' -%}
{%- generation -%}{{- message.content + '<|end|>' -}}{%- endgeneration -%}
{%- else -%}
{{- message.content + '<|end|>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
"""
