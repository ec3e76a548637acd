"""How many tokens a chat comes to, estimated from its characters and what the model's server last counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.execute.messages import sent_messages
from engine.execute.tools import TOOLS
from engine.schema.chat import ChatMessage
from engine.schema.trajectory import Turn

CHARACTERS_PER_TOKEN = 4.0
"""Before any call has reported its tokens."""
TOOLS_CHARACTERS = sum(len(tool.model_dump_json()) for tool in TOOLS)
"""What the tools add to every call."""
_PLAUSIBLE = (1.0, 6.0)
"""Characters a token: a server that reports what lies beyond counts something else."""
_OVERHEAD = 16
"""What a message or a call costs beside its text."""


def n_characters(messages: Iterable[ChatMessage]) -> int:
    """What the messages come to, less their reasoning, which is not sent back."""
    return sum(
        len(message.content)
        + _OVERHEAD
        + sum(len(call.name) + len(call.arguments) + _OVERHEAD for call in message.tool_calls)
        for message in messages
    )


def characters_per_token(system_prompt: str, turns: Sequence[Turn]) -> float:
    """By the last step whose tokens were reported; `CHARACTERS_PER_TOKEN` where none was."""
    for turn in range(len(turns) - 1, -1, -1):
        for step in range(len(turns[turn].steps) - 1, -1, -1):
            usage = turns[turn].steps[step].usage
            if usage.prompt_tokens:
                sent = n_characters(sent_messages(system_prompt, turns, turn, step)) + TOOLS_CHARACTERS
                # An answer that had to be asked for again was counted again.
                measured = sent * max(1, usage.n_calls) / usage.prompt_tokens
                return round(min(max(measured, _PLAUSIBLE[0]), _PLAUSIBLE[1]), 3)
    return CHARACTERS_PER_TOKEN
