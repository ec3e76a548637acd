"""The engine of ISE Studio: intents, simulation, execution and curation, with no screen in it."""

__version__ = "0.1.0"
