"""The choice of the device."""

import os

import torch

from modou.messages import UserError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str) -> torch.device:
    """The device for one of DEVICES; auto: a CUDA GPU if there is one, else the CPU.

    UserError: unknown name, or no such device on this machine.
    """
    if name not in DEVICES:
        raise UserError("settings.not_a_choice", option="device", value=str(name)[:60], wanted=", ".join(DEVICES))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("train.no_cuda")
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError("train.no_mps")
    return torch.device(name, int(os.environ.get("LOCAL_RANK", "0"))) if name == "cuda" else torch.device(name)
