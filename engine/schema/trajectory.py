"""The record that a rollout leaves: turns, steps, tool calls and what execution really produced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from engine.schema.base import Count, Int64, Record, Slug
from engine.schema.chat import ModelInfo, ToolSchema, Usage
from engine.schema.compaction import Compaction
from engine.schema.intent import Intent
from engine.schema.sandbox import IMPORTED, LedgerEntry, SandboxInfo
from engine.schema.told import told_failure

SCHEMA_VERSION = 1


class StopReason(StrEnum):
    """How a rollout ended. Closed: every ending is one of these."""

    USER_DONE = "user_done"
    TURN_LIMIT = "turn_limit"
    TIME_LIMIT = "time_limit"
    BUDGET_LIMIT = "budget_limit"
    STEP_LIMIT = "step_limit"
    """One turn took all its steps without an answer."""
    CALL_LIMIT = "call_limit"
    """The rollout took all its tool calls."""
    AGENT_FAILED = "agent_failed"
    AGENT_REFUSED = "agent_refused"
    """The agent declined to work, several turns in a row."""
    AGENT_LOOPED = "agent_looped"
    """The agent repeated itself and went on after it was told."""
    USER_FAILED = "user_failed"
    WORKSPACE_FAILED = "workspace_failed"


class ToolCall(Record):
    """One tool call of the agent with what it saw (observation) and what really happened (ledger)."""

    id: str
    name: str
    arguments: str
    """Raw text as the model wrote it."""
    observation: str
    error: str | None = None
    """The tool's own error (unknown tool, arguments that do not fit its schema, text not found)."""
    ledger: LedgerEntry

    @property
    def failed(self) -> bool:
        """True when the evidence says so; no flag of a harness is asked.

        The tool's error and the ledger decide where they know how the call ended; where they do not, as for
        a call from another's record, the structure of the observation does (`engine.schema.told`).
        """
        if self.error or self.ledger.failed:
            return True
        return self.told_failure is not None

    @property
    def told_failure(self) -> str | None:
        """The line by which the observation alone says that the call failed; None where the ledger knows."""
        ours_failed = self.ledger.failed and self.ledger.action != IMPORTED
        if self.ledger.ended_well or ours_failed:
            return None
        return told_failure(self.name, self.arguments, self.observation)


def noted(text: str, note: str | None) -> str:
    """`text` as the agent read it: with the note at its end where there is one."""
    return f"{text}\n\n{note}" if note else text


class Step(Record):
    """One model call of the agent with its tool calls and their observations.

    The calls of one message run one after another, as written, each on what those before it left in the
    workspace, and the rest also after one that failed: so the ledger can say which call did what.
    """

    content: str = ""
    reasoning: str | None = None
    raw: str | None = None
    """The model's own text, where its calls or its answer had to be read out of it."""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    compaction: Compaction | None = None
    """What was left out of the messages before this model call, where they were too long."""
    note: str | None = None
    """What the engine told the agent after this step: that it repeats itself.

    The agent reads it at the end of the step's last observation or, where the step is an answer, at the end
    of the user's next message.
    """

    def observed(self) -> Iterator[tuple[ToolCall, str]]:
        """Each call with what the agent read of it: its observation, the last one with the step's note."""
        last = len(self.tool_calls) - 1
        for position, call in enumerate(self.tool_calls):
            yield call, noted(call.observation, self.note if position == last else None)


class EvidenceCall(Record):
    """One executed call as the user may see it: what was done and how it ended."""

    tool: str
    summary: str
    """The command line, or the action and its path; at most 160 characters."""
    exit_code: Int64 | None = None
    failed: bool
    stderr_tail: str = ""
    """Why a failed call failed: the end of its error, its stderr, or its output where it wrote no stderr; at
    most 400 characters."""


class Evidence(Record):
    """A compact account, from the ledger, of what one turn really did. All that a user may know of it."""

    calls: tuple[EvidenceCall, ...] = ()
    created: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    """Commands of the background sessions that still ran when the turn last heard of them."""


class Verdict(Record):
    """What one check said of one text: a proposed utterance, an answer or an ending."""

    check: str
    """A name of `engine.schema.checks`."""
    passed: bool
    detail: str = ""


class ClaimKind(StrEnum):
    """What an utterance speaks of that can be looked up."""

    PATH = "path"
    FILE_NAME = "file_name"
    BRANCH = "branch"
    HOST = "host"
    NUMBER = "number"
    VERSION = "version"
    STATE = "state"
    """That something passed, failed, was created, runs and the like."""


class ClaimStanding(StrEnum):
    """What the record says of a claim."""

    GIVEN = "given"
    """It stands in the intent, or in what the user or the agent said in an earlier turn."""
    EVIDENCED = "evidenced"
    """The ledger or the files of the workspace bear it out."""
    INTRODUCED = "introduced"
    """Nothing speaks of it: a user may bring in what is new, as a wish or a fact of their own world."""
    CONTRADICTED = "contradicted"
    """It asserts an execution state that the ledger and the files do not show."""


class Claim(Record):
    """One thing that an utterance says, looked up in all that the user could know at that turn."""

    kind: ClaimKind
    text: str
    """As it stands in the utterance."""
    standing: ClaimStanding
    source: str = ""
    """Where it was found, or what speaks against it, in words."""


class Attempt(Record):
    """One utterance that the user model proposed, with the verdicts on it."""

    text: str
    verdicts: tuple[Verdict, ...] = ()
    claims: tuple[Claim, ...] = ()
    judging: Usage = Usage()
    """What a model behind an endpoint consumed to judge it."""

    @property
    def passed(self) -> bool:
        """True when every check passed."""
        return all(v.passed for v in self.verdicts)


class Utterance(Record):
    """What the user simulator sent, with all that led to it."""

    text: str
    reason: str = ""
    """The user model's own reason for this message."""
    evidence: Evidence | None = None
    """What it was given of the turn before; None for the opening."""
    attempts: tuple[Attempt, ...] = ()
    usage: Usage = Usage()
    """Of all attempts, and of judging them."""


class Turn(Record):
    """One user utterance and all agent steps until the answer."""

    index: Count
    utterance: Utterance
    steps: tuple[Step, ...] = ()
    answer: str | None = None
    """None when the agent failed before it answered."""
    failure: str | None = None
    """Why the turn has no answer, one line."""
    failed_usage: Usage = Usage()
    """What the model call consumed that ended the turn by failing."""
    refusal: str | None = None
    """The line by which the agent declined to work, where it did; the answer holds all that it said."""
    verdicts: tuple[Verdict, ...] = ()
    """What the checks said of the answer."""

    @property
    def note_left(self) -> str | None:
        """The note that the agent reads with the user's next message."""
        last = self.steps[-1] if self.steps else None
        return last.note if last and not last.tool_calls else None

    def tool_calls(self) -> Iterator[ToolCall]:
        """The turn's tool calls, in order."""
        return (call for step in self.steps for call in step.tool_calls)


class Outcome(Record):
    """The ending as the user saw it."""

    completed: bool
    is_success: bool
    reason: str = ""
    attempts: tuple[Attempt, ...] = ()
    """Messages that were proposed before it and not sent."""
    verdicts: tuple[Verdict, ...] = ()
    """What the checks said of the ending itself."""
    usage: Usage = Usage()
    """What asking for the ending cost."""


class Provenance(Record):
    """Everything needed to know where a trajectory comes from."""

    run_id: Slug
    seed: Int64
    engine_version: str
    git_revision: str | None
    taxonomy_version: str
    taxonomy_hash: str
    prompt_hashes: Mapping[str, str]
    user: ModelInfo
    agent: ModelInfo
    sandbox: SandboxInfo
    tools: tuple[ToolSchema, ...]
    system_prompt: str
    reader: str | None = None
    """The model that read the user's messages, beside the rules; None where they alone judged."""
    judge: ModelInfo | None = None
    """The same with its provider and sampling parameters; None in records from before these were kept."""


class Trajectory(Record):
    """The record of one rollout. While it is being played, `stop_reason` is None."""

    trajectory_id: Slug
    schema_version: Int64 = SCHEMA_VERSION
    intent: Intent
    provenance: Provenance
    turns: tuple[Turn, ...] = ()
    stop_reason: StopReason | None = None
    failure_cause: str | None = None
    """One line, where the stop reason is a failure."""
    failed_attempts: tuple[Attempt, ...] = ()
    """What the user model proposed last, where none of it could be sent."""
    outcome: Outcome | None = None
    user_usage: Usage = Usage()
    agent_usage: Usage = Usage()
    created_at: datetime
    duration_s: float = Field(default=0.0, ge=0.0)

    @property
    def usage(self) -> Usage:
        """Tokens, seconds and cost of both models and of a judge's, which counts as the user's, together."""
        return self.user_usage + self.agent_usage

    def tool_calls(self) -> Iterator[ToolCall]:
        """All tool calls, in order."""
        return (call for turn in self.turns for call in turn.tool_calls())

    def with_ending(
        self, stop_reason: StopReason, outcome: Outcome | None = None, cause: str | None = None
    ) -> Trajectory:
        """A finished copy: why it stopped, how the user saw it, and the cause where it is a failure."""
        user_usage = self.user_usage + outcome.usage if outcome else self.user_usage
        update = {
            "stop_reason": stop_reason,
            "outcome": outcome,
            "failure_cause": cause,
            "user_usage": user_usage,
        }
        return self.model_copy(update=update)

    def with_failed_attempts(self, attempts: tuple[Attempt, ...], usage: Usage) -> Trajectory:
        """A copy with what the user model proposed in vain, and what that cost."""
        return self.model_copy(update={"failed_attempts": attempts, "user_usage": self.user_usage + usage})

    def with_turn(self, turn: Turn) -> Trajectory:
        """A copy with one more turn and its usage added."""
        agent_usage = self.agent_usage + turn.failed_usage
        for step in turn.steps:
            agent_usage = agent_usage + step.usage
        return self.model_copy(
            update={
                "turns": (*self.turns, turn),
                "agent_usage": agent_usage,
                "user_usage": self.user_usage + turn.utterance.usage,
            }
        )
