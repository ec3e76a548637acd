"""What a tool is: arguments with a schema, and what it does with them in a workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.execute.ledger import KeepBlob, enter, enter_nothing
from engine.execute.observations import decoded
from engine.ports import Workspace
from engine.schema.chat import ToolSchema
from engine.schema.endings import error_text
from engine.schema.sandbox import Effect, LedgerEntry
from engine.schema.tools import ToolName
from engine.store.files import first_problem


class Arguments(BaseModel):
    """The arguments of a tool, checked as the schema says them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Done(NamedTuple):
    """What came of a call: the observation, the ledger's entry, and the tool's own error if any."""

    observation: str
    entry: LedgerEntry
    error: str | None = None


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True)
class Tool(Generic[A]):
    """One tool: its schema's parts and what it does."""

    name: ToolName
    description: str
    arguments: type[A]
    run: Callable[[A, Workspace, float, KeepBlob], Done]

    def schema(self) -> ToolSchema:
        """The tool as offered to the model."""
        return ToolSchema(
            name=self.name.value,
            description=self.description,
            parameters=_plain(self.arguments.model_json_schema()),
        )

    def call(self, arguments: str, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
        """Runs the tool on the model's raw arguments; arguments that do not fit are an observation too."""
        try:
            parsed = self.arguments.model_validate_json(arguments)
        except ValidationError as error:
            problem = first_problem(error, "as a whole")
            return refusal(self.name, f"arguments do not fit {self.name}: {problem}")
        return self.run(parsed, workspace, timeout_s, keep)


def refusal(tool: str, error: str) -> Done:
    """What comes of a call that never reaches the workspace."""
    return Done(error_text(tool, error), enter_nothing(), error)


def program_done(
    tool: str, effect: Effect, keep: KeepBlob, *, path: str | None = None, tell: Callable[[bytes], str]
) -> Done:
    """What came of a program of the workspace: what `tell` makes of its answer, or why there is none.

    Args:
        tool: Name of the tool.
        effect: What the program did.
        keep: Keeps the streams.
        path: The file that it was asked for, if it was one.
        tell: The observation; raises ValueError for an answer that cannot be told.
    """
    entry = enter(effect, keep, path=path)
    if effect.error:
        return Done(error_text(tool, effect.error), entry)
    if error := _why_not(effect):
        return Done(error_text(tool, error), entry, error)
    try:
        return Done(tell(effect.stdout), entry)
    except ValueError:
        error = "the answer is too large to be told, or no valid one"
        return Done(error_text(tool, error), entry, error)


def _why_not(effect: Effect) -> str:
    if effect.exit_code is None:
        return f"it was ended by the limit on {effect.limit}" if effect.limit else "it was ended from outside"
    return decoded(effect.stderr).strip() or "it failed without a word" if effect.exit_code else ""


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Pydantic's schema as tools are commonly described: no titles, no null, no defaults, no references."""
    properties = {}
    for name, part in schema["properties"].items():
        choices = part.pop("anyOf", None)
        if choices:
            part = {**next(c for c in choices if c != {"type": "null"}), **part}
        properties[name] = {k: v for k, v in part.items() if k not in ("title", "default")}
    return {
        "type": "object",
        "properties": properties,
        "required": schema["required"],
        "additionalProperties": False,
    }
