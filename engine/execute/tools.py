"""The tools that the agent is offered: exec, read, write and edit, run in a workspace.

Source: the paper's tool set; parameter names and observations follow it, so that its models feel at home.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import one_line
from engine.execute.ledger import KeepBlob, enter, enter_edit, enter_nothing
from engine.execute.observations import exec_text, read_text
from engine.ports import Workspace
from engine.schema.chat import ToolCallRequest, ToolSchema
from engine.schema.endings import error_text
from engine.schema.sandbox import LedgerEntry
from engine.schema.trajectory import ToolCall
from engine.store.files import first_problem


class _Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ExecArguments(_Arguments):
    """Arguments of exec."""

    command: Annotated[str, Field(min_length=1, description="The shell command line to run.")]
    workdir: Annotated[
        str | None, Field(min_length=1, description="Folder to run in, for this call alone.")
    ] = None
    env: Annotated[
        dict[str, str] | None, Field(description="Environment variables to set, for this call alone.")
    ] = None
    timeout: Annotated[
        float | None, Field(gt=0, description="Seconds after which the command is killed.")
    ] = None


class ReadArguments(_Arguments):
    """Arguments of read."""

    path: Annotated[str, Field(min_length=1, description="Path of the file, relative to the workspace.")]
    offset: Annotated[
        int | None, Field(ge=1, description="Line to start at; the first line is number 1.")
    ] = None
    limit: Annotated[int | None, Field(ge=1, description="How many lines to read at most.")] = None


class WriteArguments(_Arguments):
    """Arguments of write."""

    path: Annotated[str, Field(min_length=1, description="Path of the file, relative to the workspace.")]
    content: Annotated[str, Field(description="The whole new content.")]


class EditArguments(_Arguments):
    """Arguments of edit."""

    path: Annotated[str, Field(min_length=1, description="Path of the file, relative to the workspace.")]
    oldText: Annotated[str, Field(min_length=1, description="Exact text to replace; must occur once.")]  # noqa: N815
    newText: Annotated[str, Field(description="Text to put in its place.")]  # noqa: N815


class Done(NamedTuple):
    """What came of a call: the observation, the ledger's entry, and the tool's own error if any."""

    observation: str
    entry: LedgerEntry
    error: str | None = None


A = TypeVar("A", bound=_Arguments)


@dataclass(frozen=True, slots=True)
class Tool(Generic[A]):
    """One tool: its schema's parts and what it does."""

    name: str
    description: str
    arguments: type[A]
    run: Callable[[A, Workspace, float, KeepBlob], Done]

    def schema(self) -> ToolSchema:
        """The tool as offered to the model."""
        return ToolSchema(
            name=self.name,
            description=self.description,
            parameters=_plain(self.arguments.model_json_schema()),
        )

    def call(self, arguments: str, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
        """Runs the tool on the model's raw arguments; arguments that do not fit are an observation too."""
        try:
            parsed = self.arguments.model_validate_json(arguments)
        except ValidationError as error:
            problem = first_problem(error, "as a whole")
            return _refusal(self.name, f"arguments do not fit {self.name}: {problem}")
        return self.run(parsed, workspace, timeout_s, keep)


NOT_RUN = "not run"
"""Begins the error of a call that was refused for what stood around it, not for what it was."""


def run_tool(request: ToolCallRequest, workspace: Workspace, *, timeout_s: float, keep: KeepBlob) -> ToolCall:
    """What came of one tool call of the agent: observation and ledger entry. No bad call raises.

    Args:
        request: The call as the model wrote it.
        workspace: Where it is run.
        timeout_s: Wall time it may take at most; a smaller one of its own holds.
        keep: Keeps the streams, e.g. in the run's blobs.

    Raises:
        SandboxError: The workspace was gone before the call.
    """
    tool = _BY_NAME.get(request.name)
    if tool is None:
        return refuse_call(request, f"unknown tool {_shown(request)!r}: there are {', '.join(_BY_NAME)}")
    return _called(request, tool.call(request.arguments, workspace, timeout_s, keep))


def refuse_call(request: ToolCallRequest, error: str) -> ToolCall:
    """A tool call that is answered with `error` and never reaches the workspace."""
    return _called(request, _refusal(_shown(request), error))


def _shown(request: ToolCallRequest) -> str:
    return one_line(request.name, 80)


def _called(request: ToolCallRequest, done: Done) -> ToolCall:
    return ToolCall(
        id=request.id,
        name=request.name,
        arguments=request.arguments,
        observation=done.observation,
        error=done.error,
        ledger=done.entry,
    )


def _exec(arguments: ExecArguments, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
    timeout_s = min(timeout_s, arguments.timeout or timeout_s)
    effect = workspace.exec(
        arguments.command, workdir=arguments.workdir, env=arguments.env, timeout_s=timeout_s
    )
    entry = enter(effect, keep)
    if effect.error:
        return Done(error_text("exec", effect.error), entry)
    return Done(exec_text(effect, timeout_s), entry)


def _read(arguments: ReadArguments, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
    effect = workspace.read(arguments.path)
    entry = enter(effect, keep, path=arguments.path)
    if effect.error:
        return Done(error_text("read", effect.error), entry)
    text = read_text(effect, arguments.offset or 1, arguments.limit)
    if text is None:
        error = f"offset {arguments.offset} is beyond the end of the file"
        return Done(error_text("read", error), entry, error)
    return Done(text, entry)


def _write(arguments: WriteArguments, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
    data = arguments.content.encode("utf-8")
    effect = workspace.write(arguments.path, data)
    entry = enter(effect, keep, path=arguments.path)
    if effect.error:
        return Done(error_text("write", effect.error), entry)
    return Done(f"Successfully wrote {len(data)} bytes to {arguments.path}", entry)


def _edit(arguments: EditArguments, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
    path = arguments.path
    before = workspace.read(path)
    read_entry = enter_edit(enter(before, _drop, path=path))
    if before.error:
        return Done(error_text("edit", before.error), read_entry)
    old, new = arguments.oldText.encode("utf-8"), arguments.newText.encode("utf-8")
    if error := _why_not_edit(before.stdout, before.stdout_total_bytes, old, path):
        return Done(error_text("edit", error), read_entry, error)
    after = workspace.write(path, before.stdout.replace(old, new, 1))
    entry = enter_edit(read_entry, enter(after, _drop, path=path))
    if after.error:
        return Done(error_text("edit", after.error), entry)
    return Done(f"Successfully replaced text in {path}.", entry)


def _why_not_edit(content: bytes, total_bytes: int, old: bytes, path: str) -> str | None:
    if total_bytes > len(content):
        return f"{path} is too large to edit ({total_bytes} bytes): use exec"
    n_found = content.count(old)
    if n_found == 0:
        return f"Could not find the exact text in {path}. It must match exactly, white space included."
    if n_found > 1:
        return f"Found {n_found} occurrences of the text in {path}. It must be unique: give more context."
    return None


def _drop(data: bytes, total_bytes: int) -> None:
    return None


def _refusal(tool: str, error: str) -> Done:
    return Done(error_text(tool, error), enter_nothing(), error)


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Pydantic's schema as tools are commonly described: no titles, no null, no defaults."""
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


_TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "exec",
        "Run a shell command with bash in the workspace. Each call is a fresh shell: the working directory "
        "and exported variables carry over to the next call, nothing else of the shell does. There is no "
        "network and no terminal. What runs in the background lives on until a call times out.",
        ExecArguments,
        _exec,
    ),
    Tool(
        "read",
        "Read a text file. Long files are cut: go on with offset and limit, in lines.",
        ReadArguments,
        _read,
    ),
    Tool(
        "write",
        "Write a file, making its parent folders and replacing what was there.",
        WriteArguments,
        _write,
    ),
    Tool(
        "edit",
        "Replace one exact piece of text in a file. It must occur exactly once, white space included.",
        EditArguments,
        _edit,
    ),
)
_BY_NAME = {tool.name: tool for tool in _TOOLS}

TOOLS: tuple[ToolSchema, ...] = tuple(tool.schema() for tool in _TOOLS)
"""The tools as offered to the model."""
