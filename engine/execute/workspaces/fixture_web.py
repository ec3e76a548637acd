"""The pages of the web that comes with every workspace, read from the folder that holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from engine.errors import InputError, one_line
from engine.schema.web import WebHost
from engine.store.files import first_problem, read_bytes


def read_web(folder: Path) -> tuple[dict[str, Any], ...]:
    """Every page of the folder's hosts, one YAML file a host, as a workspace is given them.

    Raises:
        InputError: A file is wrong; the message names it.
    """
    return tuple(
        {"host": host.host, "url": f"https://{host.host}{page.path}", **page.model_dump(mode="json")}
        for host in (_read_host(path) for path in sorted(folder.glob("*.yaml")))
        for page in host.pages
    )


def _read_host(path: Path) -> WebHost:
    try:
        host = WebHost.model_validate(yaml.safe_load(read_bytes(path).decode("utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {one_line(error)}") from error
    except ValidationError as error:
        raise InputError(f"{path} is not a valid host: {first_problem(error)}") from error
    places = [page.path for page in host.pages]
    if doubles := {place for place in places if places.count(place) > 1}:
        raise InputError(f"{path} has {min(doubles)} twice: remove one of the two")
    return host
