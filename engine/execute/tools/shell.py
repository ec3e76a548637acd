"""exec and process: commands in the workspace, followed to their end or in the background."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from engine.execute.ledger import KeepBlob, enter
from engine.execute.observations import exec_text, listed_text, read_text, session_text
from engine.execute.tools.base import Arguments, Done, Tool
from engine.ports import Workspace
from engine.schema.endings import error_text
from engine.schema.sandbox import Action, Effect
from engine.schema.tools import ToolName

MAX_POLL_MS = 60_000


class ExecArguments(Arguments):
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
    background: Annotated[
        bool | None, Field(description="True: return at once, the command goes on as a background session.")
    ] = None
    yieldMs: Annotated[  # noqa: N815
        int | None,
        Field(
            ge=0, description="Milliseconds after which a command that has not ended goes to the background."
        ),
    ] = None

    @property
    def background_after_s(self) -> float | None:
        """When it goes to the background; None where it is followed to its end."""
        if self.yieldMs is not None:
            return self.yieldMs / 1000
        return 0.0 if self.background else None


class ProcessArguments(Arguments):
    """Arguments of process."""

    action: Annotated[
        Literal["list", "poll", "log", "write", "kill"],
        Field(
            description="list: all sessions; poll: what is new, and whether it runs; log: all of its output; "
            "write: to its standard input; kill: end it."
        ),
    ]
    sessionId: Annotated[  # noqa: N815
        str | None, Field(min_length=1, description="The session; for every action but list.")
    ] = None
    data: Annotated[str | None, Field(description="For write: what to write; end a line with \\n.")] = None
    eof: Annotated[bool | None, Field(description="For write: end the session's input after it.")] = None
    offset: Annotated[
        int | None, Field(ge=1, description="For log: line to start at; the first line is number 1.")
    ] = None
    limit: Annotated[int | None, Field(ge=1, description="For log: how many lines at most.")] = None
    timeout: Annotated[
        int | None,
        Field(ge=0, le=MAX_POLL_MS, description="For poll: milliseconds to wait at most for it to end."),
    ] = None

    @model_validator(mode="after")
    def _fits_the_action(self) -> ProcessArguments:
        if self.action != "list" and self.sessionId is None:
            raise ValueError(f"sessionId is required for {self.action}")
        if self.action == "write" and self.data is None and not self.eof:
            raise ValueError("data or eof is required for write")
        return self


def _exec(arguments: ExecArguments, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
    call_s = min(timeout_s, arguments.timeout or timeout_s)
    later_s = arguments.background_after_s
    effect = workspace.exec(
        arguments.command,
        workdir=arguments.workdir,
        env=arguments.env,
        timeout_s=call_s,
        background_after_s=None if later_s is None else min(later_s, call_s),
        session_timeout_s=arguments.timeout,
    )
    entry = enter(effect, keep)
    if effect.error:
        return Done(error_text("exec", effect.error), entry)
    if effect.sessions and effect.sessions[0].running:
        return Done(session_text(effect), entry)
    return Done(exec_text(effect, _limit_s(effect, call_s)), entry)


def _process(arguments: ProcessArguments, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
    asked: dict[str, Any] = {"action": arguments.action}
    if arguments.sessionId is not None:
        asked["session_id"] = arguments.sessionId
    if arguments.action == "poll":
        asked["wait_s"] = min((arguments.timeout or 0) / 1000, timeout_s)
    if arguments.action == "write":
        asked["eof"] = bool(arguments.eof)
    data = (arguments.data or "").encode("utf-8") if arguments.action == "write" else b""
    effect = workspace.perform(Action.PROCESS, asked, data, timeout_s=timeout_s)
    entry = enter(effect, keep)
    if effect.error:
        return Done(error_text("process", effect.error), entry)
    if arguments.action == "log":
        text = read_text(effect, arguments.offset or 1, arguments.limit, "output")
        if text is None:
            error = f"offset {arguments.offset} is beyond the end of the output"
            return Done(error_text("process", error), entry, error)
        return Done(text or "(no output)", entry)
    return Done(_told(arguments, effect, len(data)), entry)


def _told(arguments: ProcessArguments, effect: Effect, n_written: int) -> str:
    if arguments.action == "list":
        return listed_text(effect.sessions)
    if arguments.action == "write":
        ended = " and ended its input" if arguments.eof else ""
        return f"Wrote {n_written} bytes to session {arguments.sessionId}{ended}."
    return session_text(effect)


def _limit_s(effect: Effect, call_s: float) -> float:
    """The time that a time-out speaks of: a session's own, else the call's."""
    own = effect.sessions[0].timeout_s if effect.sessions else None
    return call_s if own is None else own


EXEC = Tool(
    ToolName.EXEC,
    "Run a shell command with bash in the workspace. Each call is a fresh shell: the working directory "
    "and exported variables carry over to the next call, nothing else of the shell does. There is no "
    "network and no terminal. With background or yieldMs the command goes on as a session, for process to "
    "follow. What runs in the background lives on until a call times out.",
    ExecArguments,
    _exec,
)
PROCESS = Tool(
    ToolName.PROCESS,
    "Follow the background sessions that exec has begun: list them, poll one for new output, read its log, "
    "write to its input, kill it.",
    ProcessArguments,
    _process,
)
