"""The command line. Commands are thin: they read words, call the engine and print; imports are lazy."""

from engine.cli.main import main

__all__ = ["main"]
