"""Leakage: what only the machine's side writes, tool calls, command output, markup of the record."""

from __future__ import annotations

import re

from engine.schema.trajectory import Trajectory
from engine.simulate.checks.text import MAX_CHARS, first_match

_TOOLS = (
    r"(?:exec|process|read|write|edit|bash|shell|web_fetch|web_search|memory_search|memory_get|"
    r"sessions_(?:list|history|send|spawn)|"
    r"subagents|agents_list|session_status|tts|read_file|write_file|execute_command|run_command|"
    r"str_replace_editor)"
)
_LEAKS = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        r"\A\s*(?:sudo )?(?:python3?|bash|sh|cat|ls|grep|sed|awk|git|pip|curl|wc|cd|mkdir|chmod|find|"
        r"echo|rm|cp|mv|tar)\b"
        r"[^\n]{0,200}(?:&&|\s\|\s)[^\n]{0,200}\s*\Z",
        r"```|~~~\w*\n",
        r"</?(?:tool_?calls?|tool_?responses?|tool_?results?|tool_?use|tools|function(?:_?calls?|"
        r"_?results?)?|invoke|antml:\w+|"
        r"evidence|think(?:ing)?|reasoning|observations?|assistant|system|user|query|response|execute|"
        r"bash|stdout|stderr)"
        r"(?:\s[^>\n]{0,100})?/?>",
        r"<\|[a-z_ ]{1,30}\|>|\[/?(?:INST|TOOL_CALLS?|TOOL_RESULTS?|SYSTEM|ASSISTANT)\]|"
        r"^[ \t]*(?:assistant|system|tool) ?(?:\(\w+\))?: ",
        r"^[ \t]*(?:action input|observation|thought|tool call|function call|calling tool|tool output|tool "
        r"result)\s?: ?\S",
        r"^[ \t]*(?:action|tool|calling)\s?: ?" + _TOOLS + r"\b",
        r"(?:^[ \t]*(?:exit[_ ]code|return ?code|stdout|stderr|output|command|cwd)\s?:"
        r"[^\n]{0,400}(?:\n|\Z)){2}",
        r"\"(?:tool_calls?|tool_call_id|function_call|finish_reason|stderr_tail|exit_code|stdout|stderr|"
        r"observation|is_success|"
        r"tool_input|tool_name)\"\s*:",
        r"\"(?:created|modified|deleted|running|calls)\"\s*:\s*\[",
        r"\{\s*\"(?:command|cmd|query|completed|reason)\"\s*:",
        r"\"arguments\"\s*:\s*[{\"]|\"name\"\s*:\s*\"" + _TOOLS + r"\"",
        r"\"(?:tool|tool_name|action|function)\"\s*:\s*\"" + _TOOLS + r"\"",
        r"(?<![\w.])"
        + _TOOLS
        + r"\(\s*(?:\{|(?:command|cmd|path|file_path|content|query|url|session_id|action)\s*=)",
        r"(?<![\w.])" + _TOOLS + r"\s*\{\s*\"\w+\"\s*:",
        r"\(Command (?:exited with code|timed out after|was killed)|Successfully (?:wrote|replaced|"
        r"edited|created) \d+|"
        r"\{\"status\": ?\"(?:error|ok|success)\"",
        r"Traceback \(most recent call last\)|^[ \t]+File \"[^\"\n]{1,200}\", line \d+",
        r"^[ \t]*\$ [a-z./~][^\n]*$|"
        r"^[ \t]*\(?[\w-]{0,30}\)?\s?[\w.-]{1,32}@[\w.-]{1,64}:[^\n$#]{0,120}[$#](?: |$)|"
        r"^(?:>>> |In \[\d+\]: )",
        r"^[ \t]*[dl-][rwxsStT-]{9}[.+@]?\s+\d+\s|^total \d+\s*\n[dl-][rwx-]{9}",
        r"^={3,} .{0,100}={3,}\s*$|^collected \d+ items?\b|^(?:\S{1,100}::\S{1,100}) (?:PASSED|FAILED|"
        r"ERROR)|^(?:PASSED|FAILED) \S+::",
        r"^Ran \d+ tests? in [\d.]+s|^\[[\w/. -]{1,60} (?:\(root-commit\) )?[0-9a-f]{7,40}\] |^[ \t]*\d+ "
        r"files? changed, \d+ (?:insert|delet)",
        r"^commit [0-9a-f]{40}\b|^(?:On branch \S+\s*$|Changes not staged for commit|nothing to commit, "
        r"working tree)",
        r"^[ \t]*PID\s+(?:TTY|USER|PPID|STAT|%CPU)\b|^USER\s+PID\b|^Filesystem\s+(?:Size|1K-blocks)\b|"
        r"^Collecting \w+\s*$|^Requirement already satisfied",
        r"\A\s*(?:\d{3} )?\{\"\w{1,40}\": ?(?:[\[{\"\d]|true|false|null)[^\n]*\}\s*\Z",
        r"^HTTP/[\d.]{1,3} \d{3}\b[^\n]*\n[A-Za-z-]{1,40}: ",
    )
)
_MIN_LINE_CHARS = 12
_MIN_LINES = 2
_MAX_LINES = 200


def no_tool_leak(text: str, trajectory: Trajectory) -> str:
    """What of a message is the machine's; empty where nothing is. One quoted line of an error is none."""
    if found := first_match(_LEAKS, text[:MAX_CHARS]):
        return f"it holds tool output or markup: {found!r}"
    n = _observed_lines(text, trajectory)
    is_all = n and n == len([line for line in text[:MAX_CHARS].splitlines() if line.strip()])
    return f"{n} of its lines are the output of a call" if n >= _MIN_LINES or is_all else ""


def _observed_lines(text: str, trajectory: Trajectory) -> int:
    """Lines that stand word for word in what the last turn's calls wrote, and that the user never wrote."""
    if not trajectory.turns:
        return 0
    lines = {
        s for line in text[:MAX_CHARS].splitlines()[:_MAX_LINES] if len(s := line.strip()) >= _MIN_LINE_CHARS
    }
    own = "\n".join([trajectory.intent.utterance, *(turn.utterance.text for turn in trajectory.turns)])
    fresh = [line for line in lines if line not in own]
    observed = [call.observation for call in trajectory.turns[-1].tool_calls()]
    return sum(any(line in shown for shown in observed) for line in fresh)
