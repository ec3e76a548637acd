"""What is known of the reader's learned part."""

from __future__ import annotations

from engine.schema.base import Count, Record


class ReaderCard(Record):
    """How a learned part came to be, and where its outputs mean yes."""

    name: str
    """Tells one learned part from another, in records too."""
    base: str
    """The model that it changes."""
    base_sha256: str
    """Of that model's weights."""
    rank: Count
    first_layer: Count
    """The lowest layer that is changed."""
    n_texts: Count
    """Labelled texts that it was learned from."""
    n_epochs: Count
    seed: Count
    drift_threshold: float
    """A message drifts above it, as a logit."""
    hallucination_threshold: float
    """A message hallucinates above it, as a logit."""
