"""The repository's own rules."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from engine.cli.main import cli

_TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".cfg", ".sh", ""}


def tracked_files(repository: Path) -> list[Path]:
    listed = subprocess.run(
        ["git", "-C", str(repository), "ls-files"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [repository / name for name in listed if (repository / name).is_file()]


def test_no_tracked_text_names_a_home_folder_of_some_machine(repository: Path) -> None:
    pattern = re.compile(r"(?<![\w.])/(?:root|home/[a-z]\w*|Users/\w+|work)/[\w.]")
    found = [
        f"{path.relative_to(repository)}: {match[0]}"
        for path in tracked_files(repository)
        if path.suffix in _TEXT and path != Path(__file__)
        for match in [pattern.search(path.read_text(encoding="utf-8"))]
        if match
    ]
    assert found == []


def test_the_data_folder_holds_data_only(repository: Path) -> None:
    code = [
        p
        for p in tracked_files(repository)
        if p.suffix == ".py" and "data" in p.relative_to(repository).parts[:1]
    ]
    assert code == []


def test_every_dependency_is_pinned_by_the_constraints(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras["local-model"]]
    names = {re.split(r"[<>=;\[ ]", w)[0].lower().replace("_", "-") for w in wanted}
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    assert names - pinned == set()


def commands(group: click.Group, prefix: str = "") -> list[str]:
    names: list[str] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            names += commands(command, f"{prefix}{name} ")
        else:
            names.append(f"{prefix}{name}")
    return names


def test_every_command_is_documented(repository: Path) -> None:
    text = (repository / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in commands(cli) if f"`{name}" not in text] == []


@pytest.mark.parametrize("document", ["architecture.md", "glossary.md", "CHANGELOG.md", "commands.md"])
def test_the_documents_are_there_and_say_something(repository: Path, document: str) -> None:
    assert len((repository / "docs" / document).read_text(encoding="utf-8").split()) > 80


def test_relative_links_of_the_documents_lead_somewhere(repository: Path) -> None:
    broken = []
    for path in tracked_files(repository):
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(repository)} -> {target}")
    assert broken == []


def test_the_readme_names_its_two_commands(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text
