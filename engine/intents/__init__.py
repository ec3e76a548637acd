"""Stage 1: cells drawn from the taxonomy, realised as utterances, measured and cleaned."""
