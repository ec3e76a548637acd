"""The context window: what one model call of the agent is sent, so that it fits, and what that left out.

A chat that is too long is cut in this order, each time only until it fits:

1. observations are shortened to beginning and end, the oldest first; those of the newest steps stay whole
2. turns before this one are left with utterance and answer, the oldest first
3. observations of the newest steps are shortened too, though less
4. the oldest steps of this turn are left out, calls and observations together; the newest steps stay
5. observations of the newest steps are shortened like the others

Where older messages are cut, it goes on until there is room for some more steps: so not every call cuts anew,
and the beginning of the chat stays the same from call to call. What was cut stays cut: each call starts from
what the record says of those before it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from engine.execute.messages import (
    CallPlace,
    Cuts,
    compactions,
    cuts_of,
    is_shortened,
    messages_of,
    shortened,
    turn_messages,
)
from engine.execute.tokens import TOOLS_CHARACTERS, characters_per_token, n_characters
from engine.schema.chat import ChatMessage
from engine.schema.compaction import Compaction, CompactionCause, ShortenedObservation
from engine.schema.trajectory import ToolCall, Turn

_ROOM = 0.75
"""Share of the limit that is left in use where older messages are cut."""
_OLD_CHARS = 1000
_NEWEST_CHARS = 4000
_N_NEWEST = 2
"""Steps of the turn that always stay."""
_TOO_LONG = re.compile(
    r"context[_ -](?:length|window|size)|exceed_context|max_model_len|too many (?:input )?tokens"
    r"|(?:prompt|input|request|messages?|conversation) (?:is|are) too (?:long|large)|reduce the length of"
    r"|longer than the (?:maximum )?(?:model|context)|exceeds? the maximum (?:number of tokens|input|length)",
    re.IGNORECASE,
)


class ContextFullError(Exception):
    """The messages do not fit, whatever may be left out; its text is the failure cause."""


def says_too_long(problem: str) -> bool:
    """True where an endpoint's refusal says that the messages were too long; a limit of rate is another."""
    return "HTTP 429" not in problem and _TOO_LONG.search(problem) is not None


class ContextWindow:
    """The messages of one model call, which may be cut until it is made."""

    def __init__(self, system_prompt: str, turns: Sequence[Turn]) -> None:
        """Args: the system prompt, and the turns so far with the one that is being played as the last."""
        self._system_prompt, self._turns = system_prompt, turns
        self._now = len(turns) - 1
        self._before = cuts_of(turns)
        self._kept = dict(self._before.kept)
        self._n_turns = self._before.n_turns
        self._n_steps = self._before.n_steps.get(self._now, 0)
        self._ratio = characters_per_token(system_prompt, turns)
        self._n_characters = n_characters(self.messages()) + TOOLS_CHARACTERS
        self._tokens_before = self.tokens
        self._cause, self._limit = CompactionCause.LIMIT, 0

    @property
    def tokens(self) -> int:
        """Estimated, the tools included."""
        return math.ceil(self._n_characters / self._ratio)

    def messages(self) -> list[ChatMessage]:
        """As they are to be sent."""
        return messages_of(self._system_prompt, self._turns, self._cuts())

    def fit(self, max_tokens: int | None) -> None:
        """Cuts what must be cut for a limit, and for what the endpoint once refused.

        Raises:
            ContextFullError: It does not fit all the same.
        """
        limit = self._limit_with(max_tokens)
        if limit is None or self.tokens <= limit:
            return
        self._limit = limit
        self._cut(limit)
        if self.tokens > limit and max_tokens is not None and self.tokens > max_tokens:
            raise ContextFullError(
                f"the messages do not fit into {max_tokens} tokens: what must stay of them (system prompt, "
                f"tools, utterances, answers, the newest steps) comes to about {self.tokens}"
            )

    def halve(self) -> bool:
        """Cuts to half of what an endpoint refused, or as near as it goes; False where nothing can be cut."""
        refused = self.tokens
        self._cause = CompactionCause.ENDPOINT
        self._cut(refused // 2)
        self._limit = max(refused // 2, self.tokens)
        return self.tokens < refused

    def compaction(self) -> Compaction | None:
        """What was cut for this call; None where nothing was."""
        if self._cuts() == self._before:
            return None
        return Compaction(
            cause=self._cause,
            limit_tokens=self._limit,
            tokens_before=self._tokens_before,
            tokens_after=self.tokens,
            characters_per_token=self._ratio,
            shortened=tuple(self._newly_shortened()),
            n_turns_dropped=self._n_turns,
            n_steps_dropped=self._n_steps,
        )

    def _limit_with(self, max_tokens: int | None) -> int | None:
        """The limit, or less where the endpoint refused: it counted characters at a rate since corrected."""
        learnt = [
            int(c.limit_tokens * c.characters_per_token / self._ratio)
            for _, c in compactions(self._turns)
            if c.cause is CompactionCause.ENDPOINT
        ]
        return min([*learnt, *([] if max_tokens is None else [max_tokens])], default=None)

    def _newly_shortened(self) -> Iterator[ShortenedObservation]:
        for place, n_kept in sorted(self._kept.items()):
            if place.turn >= self._n_turns and self._before.kept.get(place) != n_kept:
                n_left_out = len(self._call(place).observation) - n_kept
                yield ShortenedObservation(**place._asdict(), n_kept=n_kept, n_left_out=n_left_out)

    def _cuts(self) -> Cuts:
        n_steps = {**self._before.n_steps, **({self._now: self._n_steps} if self._n_steps else {})}
        return Cuts(self._kept, self._n_turns, n_steps)

    def _cut(self, limit: int) -> None:
        roomy = int(limit * _ROOM)
        self._shorten(self._older(), _OLD_CHARS, roomy)
        if self.tokens > limit:
            self._drop_turns(roomy)
        if self.tokens > limit:
            self._shorten(self._newest(), _NEWEST_CHARS, limit)
        if self.tokens > limit:
            self._drop_steps(roomy)
        if self.tokens > limit:
            self._shorten(self._newest(), _OLD_CHARS, limit)

    def _shorten(self, places: Sequence[CallPlace], n_kept: int, target: int) -> None:
        for place in places:
            if self.tokens <= target:
                return
            call, known = self._call(place), self._kept.get(place)
            if not is_shortened(call, n_kept) or (known is not None and known <= n_kept):
                continue
            shown = call.observation if known is None else shortened(call, known)
            self._kept[place] = n_kept
            self._n_characters -= len(shown) - len(shortened(call, n_kept))

    def _drop_turns(self, target: int) -> None:
        while self.tokens > target and self._n_turns < self._now:
            position, before = self._n_turns, self._cuts()
            self._n_turns += 1
            self._n_characters -= self._saved(position, before)

    def _drop_steps(self, target: int) -> None:
        while self.tokens > target and self._n_steps < len(self._turns[-1].steps) - _N_NEWEST:
            before = self._cuts()
            self._n_steps += 1
            self._n_characters -= self._saved(self._now, before)

    def _saved(self, position: int, before: Cuts) -> int:
        turn = self._turns[position]
        was, now = (n_characters(turn_messages(position, turn, cuts)) for cuts in (before, self._cuts()))
        return was - now

    def _older(self) -> list[CallPlace]:
        return [place for place in self._shown_calls() if not self._is_newest(place)]

    def _newest(self) -> list[CallPlace]:
        return [place for place in self._shown_calls() if self._is_newest(place)]

    def _is_newest(self, place: CallPlace) -> bool:
        return place.turn == self._now and place.step >= len(self._turns[-1].steps) - _N_NEWEST

    def _shown_calls(self) -> Iterator[CallPlace]:
        """The oldest first."""
        cuts = self._cuts()
        for turn in range(cuts.n_turns, len(self._turns)):
            for step in range(cuts.n_steps.get(turn, 0), len(self._turns[turn].steps)):
                for position in range(len(self._turns[turn].steps[step].tool_calls)):
                    yield CallPlace(turn, step, position)

    def _call(self, place: CallPlace) -> ToolCall:
        return self._turns[place.turn].steps[place.step].tool_calls[place.position]
