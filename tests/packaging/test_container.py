"""The container image: what is in it, and that it does its work read-only, as nobody, and without capabilities.

Built and run by podman with the engine settings below, which need no systemd and no network.
"""

import json
import os
import re
import shlex
import subprocess
import tarfile
from urllib.parse import urlsplit

import pytest
from conftest import DEPLOY, ROOT
from peers import waited_for

NAME = "vpn.example.com"
# What a machine that has no CAP_SYS_RESOURCE lets a container have.
WITHIN_BOUNDS = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000"]
LOCKED = ["--network=host", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", *WITHIN_BOUNDS]


class Podman:
    def __init__(self, home):
        storage = home / "storage.conf"
        storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{home}/images"\nrunroot = "{home}/run"\n')
        engine = home / "containers.conf"
        engine.write_text('[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "runc"\n')
        self.environment = os.environ | {
            "CONTAINERS_STORAGE_CONF": str(storage),
            "CONTAINERS_CONF": str(engine),
            # Without a timer of systemd's: the test asks for each check.
            "DISABLE_HC_SYSTEMD": "true",
        }

    def try_to(self, *arguments):
        return subprocess.run(["podman", *arguments], env=self.environment, capture_output=True, text=True, timeout=60)

    def __call__(self, *arguments):
        ended = self.try_to(*arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    home = tmp_path_factory.mktemp("podman")
    podman = Podman(home)
    # Most of what this profile needs is built by then; a release would be optimised for minutes.
    environment = podman.environment | {"PROFILE": "dev"}
    command = [DEPLOY / "container/build", "--layers=false"]
    subprocess.run(command, env=environment, check=True)
    yield podman
    podman("rm", "--all", "--force", "--time", "0")


def passed(variables):
    return [f"--env={name}={value}" for name, value in variables.items()]


@pytest.fixture
def run_in(podman, sandbox):
    """`podman run`, locked up, with the sandbox around it."""

    def run(*arguments, options=(), environment=None):
        variables = passed(sandbox.env | (environment or {}))
        return podman.try_to("run", *LOCKED, *variables, *options, "pin53", *arguments)

    return run


def test_the_image_holds_one_program_and_a_place_for_its_state(podman, tmp_path):
    container = podman("create", "pin53").strip()
    podman("export", "--output", str(tmp_path / "root.tar"), container)
    with tarfile.open(tmp_path / "root.tar") as root:
        members = {member.name: member for member in root}
    # What runtimes put there themselves.
    theirs = r"(dev|proc|sys|run|etc)(/.*)?$"
    ours = {name for name in members if not re.match(theirs, name)}
    assert ours == {"usr", "usr/bin", "usr/bin/pin53", "var", "var/lib", "var/lib/pin53"}
    assert members["usr/bin/pin53"].uid == 0, "the program isn't its own to change"
    state = members["var/lib/pin53"]
    assert (state.uid, state.gid) == (65532, 65532)


def test_the_image_says_how_to_run_it(podman):
    (image,) = json.loads(podman("image", "inspect", "pin53"))
    config = image["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/bin/pin53"]
    assert image["Healthcheck"]["Test"] == ["CMD", "/usr/bin/pin53", "status", "--check"]


def test_it_pins_a_name_once(run_in, sandbox):
    ended = run_in("--once", "--name", NAME, options=["--rm"])
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"changed {NAME} CNAME (none) -> {sandbox.host()} (ttl 60)\n"
    assert sandbox.dig(NAME, "CNAME", "+short").strip() == f"{sandbox.host()}."


def test_host_names_are_found_without_a_system_around(run_in, sandbox):
    local = f"http://localhost:{urlsplit(sandbox.api).port}"
    environment = {"AWS_ENDPOINT_URL_ROUTE_53": local}
    ended = run_in("--once", "--name", NAME, options=["--rm"], environment=environment)
    assert ended.returncode == 0, ended.stderr


def test_the_daemon_is_healthy_while_in_sync_and_stops_when_asked(podman, run_in, sandbox):
    name = "pin53-daemon"
    ended = run_in("--name", NAME, "--interval", "1s", options=["--detach", f"--name={name}"])
    assert ended.returncode == 0, ended.stderr
    _, took = waited_for(lambda: podman.try_to("healthcheck", "run", name).returncode == 0)
    assert took < 10
    podman("stop", "--time", "10", name)
    (container,) = json.loads(podman("container", "inspect", name))
    assert container["State"]["ExitCode"] == 0


def test_the_command_of_the_readme_pins_its_name(podman, sandbox):
    (command,) = re.findall(r"^podman run (.*) pin53$", (ROOT / "README.md").read_text(), re.M)
    container = podman("run", *WITHIN_BOUNDS, *passed(sandbox.env), *shlex.split(command), "pin53").strip()
    waited_for(lambda: podman.try_to("healthcheck", "run", container).returncode == 0)
    assert sandbox.dig(NAME, "CNAME", "+short").strip() == f"{sandbox.host()}."


def test_a_daemon_that_may_not_do_its_work_is_unhealthy(podman, run_in, sandbox):
    sandbox.fault("access-denied")
    name = "pin53-denied"
    ended = run_in("--name", NAME, "--interval", "1s", options=["--detach", f"--name={name}"])
    assert ended.returncode == 0, ended.stderr
    waited_for(lambda: "AccessDenied" in podman.try_to("logs", name).stderr)
    assert podman.try_to("healthcheck", "run", name).returncode != 0
