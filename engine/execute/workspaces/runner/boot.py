"""The first thing to run in a sandbox: takes the other modules from the host and starts them.

They stay in memory: no file of the sandbox holds them. It is fed in as text and comes before everything else.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType


class Sources:
    """Finds modules among texts."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """Where the module is from, if it is one of these."""
        return ModuleSpec(name, self, is_package=name == "runner") if name in self.texts else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """An ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module's text."""
        exec(compile(self.texts[module.__name__], module.__name__, "exec"), module.__dict__)


def take(size: int) -> bytes:
    """Exactly the next `size` bytes: those that follow belong to the frames."""
    data = bytearray()
    while len(data) < size:
        piece = os.read(0, size - len(data))
        if not piece:
            sys.exit("the host went away")
        data += piece
    return bytes(data)


if __name__ == "__main__":
    texts = json.loads(take(int.from_bytes(take(4), "big")))
    sys.meta_path.insert(0, Sources(texts))
    importlib.import_module("runner.main").main()
