"""Says what works on this machine, by trying it, and how to mend what does not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine import __version__, build
from engine.errors import InputError, StudioError, one_line
from engine.paths import cache_dir
from engine.schema.base import Record
from engine.schema.project import DEFAULT_ENDPOINT, EndpointSettings, ProjectSettings
from engine.schema.sandbox import SandboxInfo
from engine.store import Project

_PACKAGES = (
    "streamlit",
    "duckdb",
    "polars",
    "sentence-transformers",
    "torch",
    "umap-learn",
    "plotly",
    "openai",
)
_LOW_DISK_BYTES = 2 * 2**30


class Finding(Record):
    """One thing that was tried."""

    name: str
    ok: bool
    needed: bool
    """False for what the embedded defaults do without."""
    detail: str
    """What was found and, where it is not ok, how to mend it."""


class DoctorReport(Record):
    """Everything that was tried on this machine."""

    engine_version: str
    ok: bool
    """True when everything that is needed works."""
    sandbox: dict[str, SandboxInfo | None]
    """Backend -> what its live probe proved; None where it could not be had."""
    findings: tuple[Finding, ...]


def examine(root: Path) -> DoctorReport:
    """The report on this machine, for the project in `root` where there is one."""
    proofs: dict[str, SandboxInfo | None] = {}
    settings, finding = _project(root)
    findings = [_sandbox(name, settings, proofs) for name in build.SANDBOXES]
    findings += [finding, *_packages(), _one_home(), _embedder(settings), _reader(settings)]
    findings += [_endpoint(name, one) for name, one in settings.all_endpoints.items()]
    findings += [_disk("project folder", _existing(root)), _disk("cache folder", _existing(cache_dir()))]
    ok = all(f.ok for f in findings if f.needed)
    return DoctorReport(engine_version=__version__, ok=ok, sandbox=proofs, findings=tuple(findings))


def _sandbox(name: str, settings: ProjectSettings, proofs: dict[str, SandboxInfo | None]) -> Finding:
    """Docker is needed by a project that names it; bubblewrap is what the embedded defaults run on."""
    label, needed = (
        f"sandbox {name}",
        name in (ProjectSettings.model_fields["sandbox"].default, settings.sandbox),
    )
    try:
        info = build.sandbox(name, settings.docker).prove()
    except StudioError as error:
        proofs[name] = None
        return Finding(name=label, ok=False, needed=needed, detail=str(error))
    proofs[name] = info
    proven = ", ".join(check.name for check in info.probe if check.proven)
    return Finding(name=label, ok=info.proven, needed=needed, detail=f"{info.version}; proven: {proven}")


def _project(root: Path) -> tuple[ProjectSettings, Finding]:
    try:
        project = Project.open(root)
    except StudioError as error:
        return ProjectSettings(name="none"), Finding(
            name="project", ok=False, needed=False, detail=str(error)
        )
    return project.settings, Finding(name="project", ok=True, needed=False, detail=str(root))


def _packages() -> Iterator[Finding]:
    for name in _PACKAGES:
        try:
            detail, ok = importlib.metadata.version(name), True
        except importlib.metadata.PackageNotFoundError:
            detail, ok = "missing: run 'make install' again", False
        yield Finding(name=f"package {name}", ok=ok, needed=True, detail=detail)


def _one_home() -> Finding:
    """`engine` and `studio` are common names: another distribution may have put its own in the way."""
    homes = []
    for name in ("engine", "studio"):
        spec = importlib.util.find_spec(name)
        homes.append(Path(spec.origin).resolve().parent.parent if spec and spec.origin else None)
    ok = homes[0] is not None and homes[0] == homes[1]
    detail = (
        f"{homes[0]}"
        if ok
        else "engine and studio come from two places: install into an environment of its own"
    )
    return Finding(name="one home", ok=ok, needed=True, detail=detail)


def _embedder(settings: ProjectSettings) -> Finding:
    name = f"embedder {settings.embedder.model}"
    try:
        build.embedder(settings)
    except StudioError as error:
        return Finding(name=name, ok=False, needed=False, detail=str(error))
    return Finding(name=name, ok=True, needed=False, detail="its weights are on this machine")


def _reader(settings: ProjectSettings) -> Finding:
    """The project's own reader, or the model that its judge names."""
    from engine.providers.openai_line import api_key

    name = "reader of messages"
    try:
        judge = build.parse_provider(settings.judge)
        if judge.name != build.SCRIPTED:
            api_key(build.endpoint_of(judge, settings))
            detail = f"{one_line(settings.judge, 80)} in its place: 'calibrate --judge' says what it is worth"
            return Finding(name=name, ok=True, needed=False, detail=detail)
        found = build.reader()
    except StudioError as error:
        return Finding(name=name, ok=False, needed=False, detail=str(error))
    detail = (
        f"{found.card.name}, its weights are on this machine"
        if found
        else "no weights: rules alone judge the user's messages, and miss more: run 'ise-studio weights'"
    )
    return Finding(name=name, ok=found is not None, needed=False, detail=detail)


def _endpoint(called: str, endpoint: EndpointSettings) -> Finding:
    """Looks only at what would be used: nothing is sent anywhere."""
    from engine.providers.openai_line import api_key

    name = f"model endpoint {called}, {endpoint.base_url}"
    model = "openai:MODEL" if called == DEFAULT_ENDPOINT else f"openai:MODEL@{called}"
    try:
        api_key(endpoint)
    except InputError as error:
        detail = f"{error}; needed for {model} only, the scripted provider does without"
        return Finding(name=name, ok=False, needed=False, detail=detail)
    has_key = bool(os.environ.get(endpoint.api_key_env))
    detail = f"a key stands in {endpoint.api_key_env}" if has_key else "a local endpoint needs no key"
    return Finding(name=name, ok=True, needed=False, detail=detail)


def _existing(path: Path) -> Path:
    return next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())


def _disk(name: str, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    ok = free >= _LOW_DISK_BYTES and writable
    mend = "" if ok else (": free some space" if writable else ": not writable, choose another folder")
    return Finding(name=f"disk, {name}", ok=ok, needed=False, detail=f"{free / 2**30:.1f} GiB free{mend}")
