"""The checks by name: which principle each stands for, and which meter counts what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Meter(StrEnum):
    """What is counted over many utterances."""

    ROLE_DRIFT = "role_drift"
    """The simulator sounds like the agent. Source: ISE paper, stage S."""
    STATE_HALLUCINATION = "state_hallucination"
    """The simulator claims an execution state that never was. Source: ISE paper, stage S."""
    FALSE_COMPLETION = "false_completion"
    """The user or the agent says done where the record says otherwise."""
    REGISTER = "register"
    INCREMENTAL = "incremental"
    RESPONSIVE = "responsive"
    FORM = "form"
    """It is no message at all, or not in the shape that was asked for."""


class CheckInfo(NamedTuple):
    """What a check is about."""

    meter: Meter
    looks_for: str
    """In words, as the studio shows it."""


CHECKS: Mapping[str, CheckInfo] = {
    "json_reply": CheckInfo(Meter.FORM, "a reply that is not the JSON object that was asked for"),
    "not_empty": CheckInfo(Meter.FORM, "an empty message"),
    "perspective_lock": CheckInfo(
        Meter.ROLE_DRIFT,
        "the agent's voice: an offer of service, work claimed as its own, an AI that speaks of itself",
    ),
    "handed_back": CheckInfo(Meter.ROLE_DRIFT, "the agent's own question handed back to it"),
    "no_tool_leak": CheckInfo(Meter.ROLE_DRIFT, "tool calls, command output or markup of the record"),
    "no_echo": CheckInfo(Meter.ROLE_DRIFT, "the agent's last answer said again"),
    "register": CheckInfo(Meter.REGISTER, "a level, a style or a length that is not the persona's"),
    "length": CheckInfo(Meter.REGISTER, "more words than any chat message has"),
    "incremental": CheckInfo(Meter.INCREMENTAL, "the whole intent at once instead of one step"),
    "responsive": CheckInfo(Meter.RESPONSIVE, "a failure of the last turn that is passed over"),
    "state_claims": CheckInfo(Meter.STATE_HALLUCINATION, "a claim that the ledger and the files contradict"),
    "user_done": CheckInfo(
        Meter.FALSE_COMPLETION, "an ending as success where the last check failed or a deliverable is missing"
    ),
    "agent_done": CheckInfo(
        Meter.FALSE_COMPLETION, "an answer that says done where the turn failed or the file is not there"
    ),
}
"""Check name -> what it is about. A record's verdicts bear these names."""
