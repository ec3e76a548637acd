"""What prompts and checks say of people: a persona in words, and the voice that no person has."""

from __future__ import annotations

import re

from engine.schema.taxonomy import Persona

_ASSISTANT_PHRASES = (
    r"how (?:can|may) i (?:help|assist)",
    r"i(?:'d| would) be (?:happy|glad) to (?:help|assist)",
    r"let me know if",
    r"as an ai",
    r"(?:i am|i'm) an ai",
    r"language model",
    r"is there anything else (?:i|you)",
    r"feel free to",
    r"would you like me to",
    r"shall i",
    r"do you want me to",
)


def assistant_voice(*more: str) -> re.Pattern[str]:
    """Matches what assistants say and people do not, and `more` phrases (regular expressions) of the kind."""
    return re.compile(rf"\b(?:{'|'.join((*_ASSISTANT_PHRASES, *more))})\b", re.IGNORECASE)


def persona_text(persona: Persona) -> str:
    """The persona in a few lines, as the prompts show it."""
    return "\n".join(
        (
            f"- Name: {persona.name}",
            f"- Role: {persona.role} ({persona.experience_level.value}), {persona.industry}",
            f"- Expertise: {', '.join(persona.expertise)}",
            f"- Way of writing: {persona.communication_style}",
            f"- Work: {persona.work_context}",
        )
    )
