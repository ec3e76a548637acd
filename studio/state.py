"""Which project the studio shows, and where in it: the environment and the page's address."""

from __future__ import annotations

import streamlit as st

from engine.errors import InputError
from engine.paths import ProjectPaths, default_project
from engine.store.project import Project


def project() -> Project:
    """The project that `ise-studio ui` named, opened anew on every run of a page.

    Raises:
        InputError: There is no project in that folder, or its project.toml is wrong.
    """
    return Project.open(default_project())


def project_exists() -> bool:
    """True when the named folder is a project, whether or not it can be read."""
    return ProjectPaths(default_project()).settings.is_file()


def address_text(name: str, default: str = "") -> str:
    """A parameter of the page's address as text."""
    value: str | None = st.query_params.get(name)
    return default if value is None else value


def address_number(name: str) -> int | None:
    """A parameter of the page's address as a whole number; None where it is not given.

    Raises:
        InputError: It is no whole number of at most nine digits.
    """
    value = address_text(name)
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise InputError(
            f"{name} in the address of this page is not a number: open the trajectory from the list"
        )
    return int(value)


def set_address(**parameters: str | int | None) -> None:
    """Writes parameters into the page's address; None takes one out."""
    for name, value in parameters.items():
        if value is None:
            if name in st.query_params:
                del st.query_params[name]
        elif st.query_params.get(name) != str(value):
            st.query_params[name] = str(value)
