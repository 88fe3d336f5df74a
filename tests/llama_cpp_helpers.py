"""llama.cpp beside a test, in a process of its own: a crash or an endless loop there is an error of one test."""

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONGEST = 300.0
"""Seconds after which the process is killed."""
GREEDY = {"temperature": 0, "samplers": ["temperature"], "cache_prompt": False}


def serve(path: str, context: int) -> None:
    """What the other process does: tells its address, serves until its input ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = context
    params.n_parallel = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cache_prompt = False
    params.warmup = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_threads_http = 2
    params.endpoint_props = True
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)


class LlamaCpp:
    """A model that is being served."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, path: str, **values: Any) -> Any:
        """The answer to a request; without values it is a GET."""
        data = json.dumps(values).encode() if values else None
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=LONGEST) as answer:
            return json.loads(answer.read())

    def ids(self, text: str) -> list[int]:
        """The ids of a text, without bos."""
        return self.ask("/tokenize", content=text, add_special=False, parse_special=False)["tokens"]

    def written(self, ids: Sequence[int], tokens: int, **changes: Any) -> list[int]:
        """Ids of the continuation, the likeliest unless `changes` say otherwise."""
        asked = {"prompt": list(ids), "n_predict": tokens, "return_tokens": True, **GREEDY, **changes}
        return self.ask("/completion", **asked)["tokens"]

    def log_probabilities(self, ids: Sequence[int], vocabulary: int, written: int) -> dict[int, float]:
        """Of every id after `ids`. `written`: an id with whole characters; llama.cpp shows nothing for others."""
        asked = {"prompt": list(ids), "n_predict": 1, "n_probs": vocabulary, "logit_bias": [[written, 1000.0]]}
        (found,) = self.ask("/completion", **asked, **GREEDY)["completion_probabilities"]
        return {one["id"]: one["logprob"] for one in found["top_logprobs"]}


@contextmanager
def llama_cpp(path: Path, context: int = 128) -> Iterator[LlamaCpp]:
    """Serves a GGUF file. AssertionError: it does not load; the message holds llama.cpp's last lines."""
    command = [sys.executable, str(Path(__file__).resolve()), str(path), str(context)]
    with (
        (path.parent / f"{path.name}.log").open("w+", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        assert process.stdin and process.stdout
        timer = threading.Timer(LONGEST, process.kill)
        timer.start()
        try:
            address = process.stdout.readline().decode().strip()
            log.seek(0)
            assert address, log.read()[-3000:]
            yield LlamaCpp(address)
        finally:
            timer.cancel()
            process.kill()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
