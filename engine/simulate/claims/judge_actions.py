"""What the ledger says of things that the agent is said to have done."""

from __future__ import annotations

import re

from engine.schema.sandbox import ChangeKind
from engine.simulate.claims.finding import Finding, against, borne_out, nothing_known
from engine.simulate.claims.judge_files import (
    files_of,
)
from engine.simulate.claims.known import Known
from engine.simulate.claims.manifest import Presence, place_of
from engine.simulate.claims.moods import Clause
from engine.simulate.claims.states import Said, State

_FILE_WORDS = re.compile(
    r"\b(?:files?|folders?|director(?:y|ies)|scripts?|reports?|copies|copy|logs?|backups?|archive"
    r"|documents?|tables?|charts?|drafts?|parts|leftovers|duplicates|originals?|versions?|temp\w*)\b",
    re.IGNORECASE,
)


_DELETES = re.compile(
    r"\b(?:rm|rmdir|unlink|delete|remove|mv|move|shutil|clean|prune|git (?:rm|clean)|purge|trash|drop"
    r"|os\.remove)\b",
    re.IGNORECASE,
)


_STEMS = {
    "mail": ("mail", "smtp", "send"),
    "e-ma": ("mail", "smtp", "send"),
    "emai": ("mail", "smtp", "send"),
    "sent": ("send", "sent", "mail", "smtp", "post", "curl", "request"),
    "post": ("post", "curl", "send"),
    "move": ("mv ", "move", "rename", "replace"),
    "rena": ("mv ", "rename", "move"),
    "copi": ("cp ", "cop", "rsync", "install"),
    "back": ("backup", "back up", "cp ", "tar", "copy", ".bak", "snapshot", "bundle", "archive"),
    "arch": ("archiv", "tar", "zip"),
    "comp": ("compress", "gzip", "zip", "tar", "xz", "bz2"),
    "zipp": ("zip", "tar", "archive"),
    "roll": ("roll", "restor", "revert", "switch", "previous", "checkout", "reset", "ln -s"),
    "reve": ("revert", "restor", "checkout", "reset", "roll", "undo"),
    "rest": ("restor", "restart", "start", "kill"),
    "rebo": ("reboot",),
    "relo": ("reload", "hup", "restart"),
    "publ": ("publish", "release", "push", "upload"),
    "rele": ("release", "tag", "publish"),
    "tagg": ("tag",),
    "sche": ("schedul", "cron", "at ", "timer", "sleep"),
    "encr": ("encrypt", "gpg", "openssl", "cipher", "age "),
    "upgr": ("upgrad", "update", "install", "version"),
    "depl": ("deploy", "release", "switch", "rollout", "ln -s"),
    "noti": ("notif", "mail", "send", "alert"),
    "prin": ("print", "echo", "cat", "lpr"),
    "down": ("download", "curl", "wget", "fetch", "web_fetch", "urlopen", "resume"),
    "uplo": ("upload", "curl", "scp", "put", "post", "rsync"),
    "migr": ("migrat",),
    "form": ("format", "black", "ruff", "prettier", "indent", "%"),
    "sync": ("sync", "cp "),
    "clon": ("clone",),
    "inst": ("install", "pip", "apt", "npm", "vendor"),
}


def judge_gone(said: Said, clause: Clause, known: Known) -> Finding:
    """Whether something was deleted that the clause does not name as a file."""
    if files_of(clause):
        return nothing_known("see the file")
    if (there := _bare_name(clause, known)) is not None:
        return against(f"{there} is among the files")
    recent = known.last_calls or known.calls
    if (
        any(c.kind is ChangeKind.DELETED for call in recent for c in call.ledger.changes)
        or not known.manifest.is_complete
    ):
        return borne_out("files were deleted")
    if any(_DELETES.search(call.ledger.command_line[:8000]) for call in recent):
        return borne_out("a call deletes")
    if _FILE_WORDS.search(clause.text) or re.search(
        r"\b(?:you|link|since|already)\b", clause.text, re.IGNORECASE
    ):
        return against("nothing was deleted")
    return nothing_known()


def judge_changed(said: Said, clause: Clause, known: Known) -> Finding:
    """Whether a file was changed after it was made."""
    for name in files_of(clause):
        wanted = place_of(name.text)
        if (
            wanted is None
            or not known.manifest.is_complete
            or known.manifest.presence(name.text) is not Presence.THERE
        ):
            continue
        if not any(
            path == change.path.lower()
            for change in known.manifest.changes_of(wanted)
            for path in known.manifest.modified
        ):
            return against(f"{name.text} was never changed after it was made")
    return nothing_known()


def judge_ran(said: Said, clause: Clause, known: Known) -> Finding:
    """Whether a script was run, not only written or checked."""
    for name in files_of(clause):
        base = re.escape(name.text.lower().rpartition("/")[2])
        runs = re.compile(
            rf"(?:^|[\s;&|(])(?:(?:bash|sh|python3?|node|perl|source|\.|timeout \S+"
            rf"|make -f)(?! -n)(?: -\w+)* )?(?:\S*/)?{base}\b"
        )
        lines = [
            re.sub(
                r"\b(?:cat|bash -n|sh -n|chmod|cp|mv|ls|rm|head|tail|grep|wc|sed|shellcheck)\b[^;&|\n]*",
                " ",
                c.ledger.command_line[:8000].lower(),
            )
            for c in known.calls
            if c.ledger.argv
        ]
        if name.text.endswith((".sh", ".py")) and not any(runs.search(line) for line in lines):
            return against(f"no call ran {name.text}")
    return nothing_known()


def _bare_name(clause: Clause, known: Known) -> str | None:
    """The path of a folder that the clause calls by its bare name, where it is there and was not deleted."""
    words = set(re.findall(r"[\w-]{4,60}", clause.text.lower()))
    for path, change in known.manifest.last.items():
        if (
            path.endswith("/")
            and path.rstrip("/").rpartition("/")[2] in words
            and change.kind is not ChangeKind.DELETED
        ):
            return path
    return None


def judge_action(said: Said, clause: Clause, known: Known) -> Finding:
    """Whether a call did what the agent is said to have done."""
    stems = _STEMS.get(said.word[:4], (said.word[:5].rstrip("e"),))
    if said.word.startswith(("gone out", "went out", "sent", "been disp", "disp", "on ")):
        stems = _STEMS["sent"]
    calls = [call for call in known.calls if not call.failed]
    lines = [f"{c.ledger.command_line[:8000]} {c.name}".lower() for c in calls]
    if said.word[:4] in _ONLY_DONE:
        lines = [line for line in lines if not re.search(r"--dry-run|\bls\b|-n\b", line)]
    if said.word[:4] in _ONLY_DONE:
        stems = _DONE_BY.get(said.word[:4], stems)
    if any(
        re.search(rf"\b{stem}" if stem[0].isalpha() else re.escape(stem), line)
        for stem in stems
        for line in lines
    ):
        return borne_out("the ledger has calls of that kind")
    if said.word.startswith(("renam", "mov", "restor", "revert", "arch")) and known.manifest.last:
        return borne_out("files were moved") if known.manifest.deleted_by else nothing_known()
    if (
        any(stem in source.text for stem in stems for source in known.evidence)
        and said.word[:4] not in _ONLY_DONE
    ):
        return borne_out("the ledger speaks of it")
    return against(f"no call of the ledger did that ({said.word})")


_SENDS = ("sendmail", "smtp", "mail ", "send", "curl", "mutt", "post")


_DONE_BY = {word: _SENDS for word in ("sent", "mail", "gone", "went", "disp")} | {
    "inst": (r"install\b",),
    "sche": (r"crontab\b", r"at \d", "systemctl"),
}


_ONLY_DONE = frozenset(
    {"inst", "sent", "mail", "gone", "went", "disp", "merg", "push", "depl", "publ", "uplo", "sche"}
)
"""What counts as done by a command alone: a script that mentions it has done nothing."""


def judge_about_files(said: Said, clause: Clause, known: Known) -> Finding:
    """Whether any file came about at all; the files by name are judged each."""
    if said.state is State.NOT_EMPTY and not files_of(clause) and (n_empty := known.n_empty_told()):
        return against(f"the last turn has {n_empty:g} empty")
    if files_of(clause):
        return nothing_known("see the file")
    if said.state is State.EXISTS and said.word not in {"there", "in place"} and _made_nothing(clause, known):
        return against("no file was created or changed")
    return nothing_known()


def _made_nothing(clause: Clause, known: Known) -> bool:
    made = any(call.ledger.n_changes or call.ledger.changes for call in known.calls)
    return not made and known.manifest.is_complete and bool(_FILE_WORDS.search(clause.text))
