"""In: how a run was begun. Out: what differs from one method to another: data, objective, figures.

A method is one file here and one entry of modou.settings.methods.METHODS. Never: runs stages, prints, or knows another.
"""

import importlib
from typing import Any

from modou.methods.base import Method


def method_class(name: str) -> type[Method[Any]]:
    """The class of a method: `METHOD` in modou.methods.NAME. Importing it imports torch."""
    return importlib.import_module(f"modou.methods.{name}").METHOD
