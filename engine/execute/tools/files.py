"""read, write and edit: files of the workspace."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engine.execute.ledger import KeepBlob, enter, enter_edit
from engine.execute.observations import read_text
from engine.execute.tools.base import Arguments, Done, Tool
from engine.ports import Workspace
from engine.schema.endings import error_text
from engine.schema.sandbox import BlobRef
from engine.schema.tools import ToolName


class ReadArguments(Arguments):
    """Arguments of read."""

    path: Annotated[str, Field(min_length=1, description="Path of the file, relative to the workspace.")]
    offset: Annotated[
        int | None, Field(ge=1, description="Line to start at; the first line is number 1.")
    ] = None
    limit: Annotated[int | None, Field(ge=1, description="How many lines to read at most.")] = None


class WriteArguments(Arguments):
    """Arguments of write."""

    path: Annotated[str, Field(min_length=1, description="Path of the file, relative to the workspace.")]
    content: Annotated[str, Field(description="The whole new content.")]


class EditArguments(Arguments):
    """Arguments of edit."""

    path: Annotated[str, Field(min_length=1, description="Path of the file, relative to the workspace.")]
    oldText: Annotated[str, Field(min_length=1, description="Exact text to replace; must occur once.")]  # noqa: N815
    newText: Annotated[str, Field(description="Text to put in its place.")]  # noqa: N815


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


def _drop(data: bytes, total_bytes: int) -> BlobRef | None:
    return None


READ = Tool(
    ToolName.READ,
    "Read a text file. Long files are cut: go on with offset and limit, in lines.",
    ReadArguments,
    _read,
)
WRITE = Tool(
    ToolName.WRITE,
    "Write a file, making its parent folders and replacing what was there.",
    WriteArguments,
    _write,
)
EDIT = Tool(
    ToolName.EDIT,
    "Replace one exact piece of text in a file. It must occur exactly once, white space included.",
    EditArguments,
    _edit,
)
