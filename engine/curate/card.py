"""The dataset card: what an export holds and where it comes from, as the README.md beside the data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import yaml

from engine.curate.manifest import Manifest
from engine.curate.splits import shown_part
from engine.curate.statistics import Statistics
from engine.errors import one_line

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MOST_SHOWN = 20
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#!|~$&])")


def render_card(manifest: Manifest, statistics: Statistics) -> str:
    """The card's Markdown. Words that come from records are escaped: they stay words."""
    return "\n".join(
        (
            _front_matter(manifest, statistics),
            f"# {_words(manifest.name)}\n",
            _ABOUT,
            "## Files\n",
            _table(
                ("file", "trajectories", "sha256"), [(f.file, f.n_records, f.sha256) for f in manifest.files]
            ),
            _origin(manifest),
            "## What it holds\n",
            _table(("measure", "count"), _measures(statistics)),
            *(_counted(name, counter) for name, counter in statistics.counts.items()),
            "## Provenance\n",
            _provenance(statistics),
            "## Format\n",
            _FORMAT,
            "## Licence\n",
            "No licence is set by the export. Before you publish, decide on one and write it here and in the "
            "head of this file; mind the terms of the models named under *agent*, *user simulator* and "
            "*reader of messages*.\n",
        )
    )


_ABOUT = """\
Multi-turn conversations between a role-locked user simulator and a tool-using agent. Every tool call was
executed in an isolated workspace; what came back is in the data as it came back.
"""
FEATURES: Mapping[str, list[dict[str, str]]] = {
    "openai": [
        {"name": "trajectory_id", "dtype": "string"},
        {"name": "messages", "list": "json"},
        {"name": "tools", "list": "json"},
        {"name": "parallel_tool_calls", "dtype": "bool"},
    ]
}
"""Format -> the columns' types, as the head of a card tells them to `datasets`."""

_FORMAT = """\
One JSON object a line:

- `messages`: OpenAI chat messages, the system message first. `content` is always text. Each tool message
  answers one `tool_call_id` of the assistant message before it; every id is answered once. `arguments` is
  the text that the model wrote: now and then it is no valid JSON. Reasoning is under `reasoning_content`.
- `tools`: the function schemas as they were sent to the agent.
- `parallel_tool_calls`: whether some message calls several tools at once.
- `trajectory_id`: the record that the line comes from.

`datasets` from version 4.7 gives the objects back exactly, from this folder (`load_dataset(FOLDER)`) and from
one file (`load_dataset("json", data_files=...)`); for the latter, the first lines of each file show every
shape that occurs in it. Older versions fill keys that an object does not have, in `tools` too, with nulls.
"""


def _front_matter(manifest: Manifest, statistics: Statistics) -> str:
    n = statistics.n_trajectories
    head = {
        "pretty_name": one_line(manifest.name),
        "license": "other",
        "task_categories": ["text-generation"],
        "tags": ["agent", "tool-use", "function-calling", "multi-turn", "execution-grounded", "synthetic"],
        "size_categories": [next((name for limit, name in _SIZES if n < limit), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": shown_part(f.part), "path": f.file} for f in manifest.files if f.n_records
                ],
            }
        ],
        "dataset_info": {"features": FEATURES[manifest.format]},
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n"


def _origin(manifest: Manifest) -> str:
    if manifest.split:
        ratios = ", ".join(f"{part} {ratio:g}" for part, ratio in manifest.split.ratios.items())
        text = (
            f"Split `{manifest.split.name}` of selection `{manifest.split.selection}`, ratios {ratios}, "
            f"seed {manifest.split.seed}. All trajectories of one intent, and of intents in the same words, "
            "are in one file.\n"
        )
    else:
        text = f"Selection `{manifest.selection}`.\n"
    where = f"\nThe selection's condition: {_words(manifest.where)}\n" if manifest.where else ""
    return text + where


def _measures(statistics: Statistics) -> list[tuple[str, object]]:
    s = statistics
    per = max(s.n_trajectories, 1)
    return [
        ("trajectories", s.n_trajectories),
        ("distinct intents", len(s.intents)),
        ("user turns", f"{s.n_turns} ({s.n_turns / per:.1f} a trajectory)"),
        ("messages", f"{s.n_messages} ({s.n_messages / per:.1f} a trajectory)"),
        ("tool calls", f"{s.n_tool_calls} ({s.n_tool_calls / per:.1f} a trajectory)"),
        ("failed tool calls", f"{s.n_failed_calls} ({_share(s.n_failed_calls, s.n_tool_calls)})"),
        ("of these recovered", f"{s.n_recovered_calls} ({_share(s.n_recovered_calls, s.n_failed_calls)})"),
        ("trajectories whose last turn has no answer", s.n_without_answer),
    ]


def _provenance(statistics: Statistics) -> str:
    n, scripted, proven = statistics.n_trajectories, statistics.n_scripted, statistics.n_proven_sandbox
    return (
        f"- {scripted} of {n} trajectories ({_share(scripted, n)}) were played with the scripted provider: "
        "written playbooks chose the words and commands, no language model. The commands were really "
        "executed all the same.\n"
        f"- {proven} of {n} trajectories ({_share(proven, n)}) ran in a sandbox whose isolation was proven "
        "by a live probe.\n"
        "- Personas, companies and figures in the requests are made up.\n"
    )


def _counted(name: str, counter: Counter[str]) -> str:
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    rows: list[tuple[object, ...]] = list(ordered[:_MOST_SHOWN])
    if len(ordered) > _MOST_SHOWN:
        rows.append((f"and {len(ordered) - _MOST_SHOWN} more", ""))
    return f"### Trajectories by {name}\n\n{_table((name, 'trajectories'), rows)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(_words(cell) for cell in row) + " |\n" for row in lines)


def _words(value: object) -> str:
    """The value as words of a Markdown line, nothing in it taken for a mark."""
    return _SPECIAL.sub(r"\\\1", one_line(value, 200))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
