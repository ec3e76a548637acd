"""State hallucination claim by claim, and false completion: from the record alone, without any model."""

from engine.simulate.claims.completion import check_answer, check_ending
from engine.simulate.claims.judge import check_claims

__all__ = ["check_answer", "check_claims", "check_ending"]
