"""The root, the package and the binary that .ci/run boot has made, and machines that end with their test."""

import os
import pathlib

import pytest
from machine import Machine, Sandbox, call

TARGET = pathlib.Path(__file__).resolve().parents[2] / "target"


def made(path):
    return path if path.exists() else pytest.exit(f"{path} isn't there: .ci/run boot makes it", returncode=2)


@pytest.fixture(scope="session")
def package():
    return made(TARGET / "ci/boot/pin53.deb")


@pytest.fixture(scope="session")
def next_package():
    """The same, of a later version, and with another configuration file."""
    return made(TARGET / "ci/boot/pin53-next.deb")


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    """In memory: a layer above a layer, as in a container, is refused elsewhere."""
    place = tmp_path_factory.mktemp("machines")
    call(["mount", "-t", "tmpfs", "pin53", str(place)])
    yield place
    call(["umount", "--lazy", str(place)])


@pytest.fixture
def start_machine(scratch):
    machines = []

    def start():
        machines.append(Machine(made(TARGET / "ci/root"), scratch, f"pin53-{os.getpid()}-{len(list(scratch.iterdir()))}"))
        return machines[-1]

    yield start
    for machine in machines:
        machine.off()


@pytest.fixture
def sandbox():
    sandbox = Sandbox(str(made(TARGET / "release/pin53")))
    yield sandbox
    sandbox.end()


@pytest.fixture
def bare(start_machine):
    """A machine that has never heard of pin53."""
    return start_machine()


@pytest.fixture
def machine(bare, package, sandbox):
    """One on which pin53 is installed, led to the sandbox, and has a name to pin. It isn't booted."""
    bare.write("/etc/pin53/pin53.toml", CONFIGURATION)
    bare.shell(f"DEBIAN_FRONTEND=noninteractive dpkg --force-confold --install {bare.put(package)}")
    for unit in ("pin53.service", "pin53-once.service"):
        bare.unit(unit, Environment=sandbox.variables())
    return bare


CONFIGURATION = """\
watch = "1s"
[[record]]
name = "vpn.example.com"
"""
