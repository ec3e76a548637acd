"""What is Docker's own: how containers are shut in, refused, named, and gone when their owner is."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import build
from engine.doctor import examine
from engine.errors import InputError, SandboxError
from engine.execute.workspaces.backend import Backend
from engine.execute.workspaces.channel import LostError
from engine.execute.workspaces.docker_backend import (
    MASKED,
    STREAM_HEAD,
    Attached,
    Docker,
    attach,
    container_options,
)
from engine.execute.workspaces.docker_engine import OWNER, RUN, Engine, find_engine, remove_leftovers
from engine.execute.workspaces.owner import is_gone, this_process
from engine.generation import generate_intents
from engine.paths import data_dir
from engine.runs import RunRequest, run_status, start_run, wait_for
from engine.schema.run import RunState
from engine.schema.sandbox import DockerSettings, SandboxLimits
from engine.schema.trajectory import StopReason
from engine.store import Project
from engine.store.runs import finished_ids, scan_trajectories

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = data_dir() / "workspace"
NOBODY_THERE = "unix:///nonexistent/docker.sock"


@pytest.fixture(scope="module")
def backend() -> Backend:
    backend = Docker(TEMPLATE)
    try:
        backend.prove()
    except SandboxError as error:
        pytest.skip(str(error))
    return backend


@pytest.fixture
def engine(backend: Backend) -> Engine:
    return find_engine()


def containers(engine: Engine, **labels: str) -> list[dict[str, Any]]:
    """Our containers, those that bear the labels."""
    wanted = [f"{name}={value}" for name, value in labels.items()] or [OWNER]
    found: list[dict[str, Any]] = engine.api.containers(all=True, filters={"label": wanted})
    return found


def of_owner(engine: Engine, owner: str) -> list[dict[str, Any]]:
    return [c for c in containers(engine) if c["Labels"][OWNER] == owner]


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.sandbox
def test_a_container_is_shut_in_as_it_should_be(backend: Backend, engine: Engine) -> None:
    workspace = backend.open()
    try:
        (found,) = of_owner(engine, this_process())
        inspected = engine.api.inspect_container(found["Id"])
    finally:
        workspace.close()
    host, config = inspected["HostConfig"], inspected["Config"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["Privileged"]) == ("none", True, False)
    assert (host["CapDrop"], host["CapAdd"], host["SecurityOpt"]) == (
        ["ALL"],
        None,
        ["no-new-privileges:true"],
    )
    assert (host["IpcMode"], host["PidMode"], host["CgroupnsMode"]) == ("private", "", "private")
    assert [host["Binds"] or [], host["Devices"] or [], inspected["Mounts"]] == [[], [], []]
    assert host["Memory"] == host["MemorySwap"] > 0
    assert (host["PidsLimit"], host["CpuQuota"]) == (workspace.info.limits.n_processes, 200_000)
    assert (host["LogConfig"]["Type"], host["Init"], host["AutoRemove"]) == ("none", False, True)
    assert set(host["Tmpfs"]) == {"/workspace", "/tmp", "/run"}
    assert set(host["MaskedPaths"]) == set(MASKED)
    assert (config["User"], config["Tty"], config["OpenStdin"], config["StdinOnce"]) == (
        "1000:1000",
        False,
        True,
        True,
    )


@pytest.mark.sandbox
def test_what_tells_of_the_host_is_masked(backend: Backend) -> None:
    workspace = backend.open()
    try:
        files = workspace.exec("cat /proc/version /proc/cmdline /proc/partitions /proc/kcore /proc/keys")
        folders = workspace.exec("ls /sys/class /sys/block /sys/devices")
        name = workspace.exec("getent hosts localhost")
    finally:
        workspace.close()
    assert files.stdout == b""
    assert folders.stdout.split() == [b"/sys/block:", b"/sys/class:", b"/sys/devices:"]
    assert name.exit_code == 0


@pytest.mark.sandbox
def test_the_proof_names_the_image_the_runtime_and_the_one_shared_namespace(backend: Backend) -> None:
    info = backend.prove()
    assert info.container is not None
    assert info.container.image_id.startswith("sha256:")
    assert info.container.runtime in info.version
    (namespaces,) = [c.detail for c in info.probe if c.name == "namespaces_of_its_own"]
    assert namespaces.startswith("7 namespaces, shared with the host: user (the engine keeps one for all")


@pytest.mark.sandbox
def test_what_the_kernel_ends_for_its_memory_is_said_to_have_met_that_limit(backend: Backend) -> None:
    """A burst that is over before the resident program looks: the engine's limit on the container ends it."""
    docker = Docker(TEMPLATE, SandboxLimits(memory_bytes=64 * 2**20, workspace_bytes=16 * 2**20))
    docker.prove()
    workspace = docker.open()
    try:
        effect = workspace.exec("python3 -c 'bytearray(1 << 30)'")
        fine = workspace.exec("bash -c 'kill -9 $$'; exit 137")
    finally:
        workspace.close()
    assert (effect.limit, effect.exit_code) == ("memory", None)
    assert (fine.limit, fine.exit_code) == (None, 137)


@pytest.mark.sandbox
def test_a_run_on_docker_plays_to_its_end_and_says_what_it_ran_on(project: Project, engine: Engine) -> None:
    generate_intents(project, 6, seed=11)
    run_id = start_run(project, RunRequest(count=3, sandbox="docker"))
    ended = wait_for(project, run_id)
    run = project.paths.run(run_id)
    played = list(scan_trajectories(run, finished_ids(run)))
    assert (ended.state, ended.n_done) == (RunState.FINISHED, 3)
    assert {t.stop_reason for t in played} == {StopReason.USER_DONE}
    for trajectory in played:
        sandbox = trajectory.provenance.sandbox
        assert (sandbox.backend, sandbox.proven) == ("docker", True)
        assert sandbox.container is not None
        assert any(call.ledger.exit_code == 0 for call in trajectory.tool_calls())
    assert containers(engine, **{RUN: run_id}) == []


@pytest.mark.sandbox
def test_nothing_is_left_of_a_worker_that_is_killed(project: Project, engine: Engine) -> None:
    generate_intents(project, 12, seed=11)
    run_id = start_run(project, RunRequest(count=12, sandbox="docker", concurrency=3))
    assert within(60, lambda: bool(containers(engine, **{RUN: run_id})))
    pid = run_status(project, run_id).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # One that was made but not yet started has no input that could close: the next start removes it. The
    # engine may still be at work on what the worker asked for last, so one more may appear a little later.
    assert within(20, lambda: {c["State"] for c in containers(engine, **{RUN: run_id})} <= {"created"})
    assert within(30, lambda: remove_leftovers(engine) == 0 and not containers(engine, **{RUN: run_id}))
    assert run_status(project, run_id).state is RunState.INTERRUPTED


@pytest.fixture
def abandoned(engine: Engine) -> Iterator[str]:
    """A container that does not end by itself, of an owner that has."""
    owner = subprocess.run(
        [
            sys.executable,
            "-c",
            "from engine.execute.workspaces.owner import *; print(this_process(), end='')",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    ).stdout
    image = DockerSettings().image
    options = {"entrypoint": ["/usr/bin/sleep", "600"], "labels": {OWNER: owner}, "network_disabled": True}
    container = engine.api.create_container(image, **options)["Id"]
    engine.api.start(container)
    yield container
    if any(c["Id"] == container for c in containers(engine)):
        engine.api.remove_container(container, force=True)


@pytest.mark.sandbox
def test_the_next_start_removes_what_a_dead_owner_left_and_nothing_else(
    backend: Backend, engine: Engine, abandoned: str
) -> None:
    workspace = backend.open()
    try:
        Docker(TEMPLATE).prove()
        left = [c["Id"] for c in containers(engine)]
        assert abandoned not in left
        assert workspace.exec("echo alive").stdout == b"alive\n"
    finally:
        workspace.close()


@pytest.mark.sandbox
def test_the_doctor_removes_leftovers_and_shows_docker_as_not_needed(
    backend: Backend, project: Project, engine: Engine, abandoned: str
) -> None:
    report = examine(project.root)
    finding = next(f for f in report.findings if f.name == "sandbox docker")
    assert (finding.ok, finding.needed) == (True, False)
    assert "network_unreachable" in finding.detail
    assert report.sandbox["docker"] is not None
    assert abandoned not in [c["Id"] for c in containers(engine)]


def test_an_owner_is_gone_when_its_process_is_and_a_foreign_one_may_live() -> None:
    namespace, _, rest = this_process().partition("/")
    pid, _, began = rest.partition("/")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not is_gone(this_process())
    assert is_gone(f"{namespace}/{child.pid}/{began}")
    assert is_gone(f"{namespace}/{pid}/1")
    assert not is_gone(f"pid:[1]/{child.pid}/{began}")
    assert not is_gone("")
    assert not is_gone(f"{namespace}/x/1")


def test_an_owner_that_died_and_is_not_yet_buried_is_gone() -> None:
    namespace = this_process().partition("/")[0]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        began = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
        owner = f"{namespace}/{child.pid}/{began}"
        assert not is_gone(owner)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(owner)


def refusal(docker: Docker) -> str:
    with pytest.raises(SandboxError) as raised:
        docker.prove()
    with pytest.raises(SandboxError, match="has not been proven"):
        docker.open()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_no_engine_is_said_with_the_mend_by_run_start_and_doctor_alike(project: Project) -> None:
    environment = {**os.environ, "DOCKER_HOST": NOBODY_THERE}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "engine", "--project", str(project.root), *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    generate_intents(project, 3, seed=11)
    start = call("run", "start", "--count", "1", "--sandbox", "docker")
    said = start.stderr.strip()
    assert start.returncode == 1
    assert said.startswith(f"error: no Docker engine answers at {NOBODY_THERE}")
    assert "apt-get install docker.io" in said
    assert "\n" not in said
    assert not project.paths.runs.exists()
    findings = json.loads(call("--json", "doctor").stdout)["findings"]
    docker = next(f for f in findings if f["name"] == "sandbox docker")
    assert (docker["ok"], docker["needed"]) == (False, False)
    assert said == f"error: {docker['detail']}"


def test_an_engine_of_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
    assert "is not one of this machine" in refusal(Docker(TEMPLATE))


def test_an_engine_that_does_not_know_us_is_said_with_the_mend(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 's'}")
        assert "no Docker engine answers" in refusal(Docker(TEMPLATE))


@pytest.mark.sandbox
def test_a_missing_image_and_an_unknown_runtime_are_said_with_the_mend(backend: Backend) -> None:
    said = refusal(Docker(TEMPLATE, settings=DockerSettings(image="no-such-image:1")))
    assert "has no image no-such-image:1" in said
    assert "ise-studio image build --name no-such-image:1" in said
    assert "--from-host" in said
    said = refusal(Docker(TEMPLATE, settings=DockerSettings(runtime="no-such")))
    assert "knows no runtime no-such: use one of" in said


@pytest.mark.sandbox
def test_an_image_without_python_is_said_with_the_mend(backend: Backend, engine: Engine) -> None:
    name = "ise-empty:test"
    empty = bytes(10240)
    engine.api.import_image_from_data(empty, repository="ise-empty", tag="test")
    try:
        said = refusal(Docker(TEMPLATE, settings=DockerSettings(image=name)))
        assert "/usr/bin/python3" in said
        assert containers(engine, **{OWNER: this_process()}) == []
    finally:
        engine.api.remove_image(name)


def test_names_of_images_and_runtimes_are_checked() -> None:
    for image in ("", "-x", "Upper", "a b", "a\nb", "x" * 300):
        with pytest.raises(ValueError, match="image"):
            DockerSettings(image=image)
    with pytest.raises(ValueError, match="runtime"):
        DockerSettings(runtime="--privileged")
    with pytest.raises(InputError, match="unknown sandbox"):
        build.sandbox("podman")


def head(kind: int, size: int) -> bytes:
    return STREAM_HEAD.pack(kind, size)


@pytest.fixture
def ends() -> Iterator[tuple[Attached, socket.socket]]:
    """An attached line and the engine's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Attached(ours.fileno()), theirs


def test_the_two_streams_of_a_container_are_told_apart(ends: tuple[Attached, socket.socket]) -> None:
    line, engine = ends
    engine.sendall(head(1, 3) + b"abc" + head(2, 4) + b"oops" + head(1, 0) + head(1, 2) + b"de")
    deadline = time.monotonic() + 5
    assert [line.receive(2, deadline) for _ in range(3)] == [b"ab", b"c", b"de"]
    assert line.last_words == b"oops"
    engine.close()
    assert line.receive(1, deadline) == b""


def test_what_is_kept_of_the_error_stream_is_bounded(ends: tuple[Attached, socket.socket]) -> None:
    line, engine = ends
    engine.sendall(head(2, 100_000) + b"x" * 100_000 + head(1, 1) + b"!")
    assert line.receive(1, time.monotonic() + 5) == b"!"
    assert len(line.last_words) == 4096


@pytest.mark.parametrize("said", [b"", head(1, 5)[:3], head(1, 5), head(2, 2**32 - 1) + b"x"])
def test_a_silent_engine_ends_at_the_deadline(ends: tuple[Attached, socket.socket], said: bytes) -> None:
    line, engine = ends
    engine.sendall(said)
    with pytest.raises(LostError, match="in time"):
        line.receive(5, time.monotonic() + 0.2)
    assert struct.calcsize(">BxxxL") == 8


def test_the_dockerfile_and_the_import_agree_on_who_is_who() -> None:
    from engine.execute.workspaces.resident import ETC

    text = (data_dir() / "image/Dockerfile").read_text(encoding="utf-8")
    for path in ("/etc/passwd", "/etc/group"):
        lines = ETC[path].decode().replace("\n", "\\n")
        assert f"printf '{lines}' >{path}" in text


@pytest.mark.sandbox
def test_a_container_whose_driver_hung_up_before_its_start_ends_by_itself(
    backend: Backend, engine: Engine
) -> None:
    options = container_options(engine.api, DockerSettings(), SandboxLimits())
    labels = {OWNER: this_process(), RUN: "hung-up"}
    container = engine.api.create_container(DockerSettings().image, **options, labels=labels)["Id"]
    attach(engine.api, container).close()
    engine.api.start(container)
    assert within(20, lambda: containers(engine, **{RUN: "hung-up"}) == [])


@pytest.mark.sandbox
def test_the_driver_may_die_between_two_calls_of_the_engine(backend: Backend, engine: Engine) -> None:
    """The moment between create and start, when no input is attached yet, is what the reaper is for."""
    script = """
        import os
        from engine.execute.workspaces import docker_backend
        from engine.execute.workspaces.docker_engine import DockerSettings, OWNER, find_engine
        from engine.execute.workspaces.owner import this_process
        from engine.schema.sandbox import SandboxLimits
        api = find_engine().api
        options = docker_backend.container_options(api, DockerSettings(), SandboxLimits())
        api.create_container(DockerSettings().image, **options, labels={OWNER: this_process()})
        print(this_process(), end="", flush=True)
        os.kill(os.getpid(), 9)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    owner = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY).stdout
    assert len(of_owner(engine, owner)) == 1
    Docker(TEMPLATE).prove()
    assert of_owner(engine, owner) == []
