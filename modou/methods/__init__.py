"""The training methods. In: the record of a run. Out: its data, model, objective and evaluation.

A method is one file here and one entry of modou.settings.methods.METHODS. Never: runs stages, prints, or imports
another method.
"""

import importlib
from typing import Any

from modou.methods.base import Method


def method_class(name: str) -> type[Method[Any]]:
    """`METHOD` of modou.methods.NAME. Importing it imports torch."""
    return importlib.import_module(f"modou.methods.{name}").METHOD
