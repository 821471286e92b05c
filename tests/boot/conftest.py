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


@pytest.fixture(scope="session")
def root():
    return str(made(TARGET / "ci/root"))


@pytest.fixture(scope="session")
def installed(root, scratch, package):
    """The root and, above it, a layer with the package, for all that begin there."""
    machine = Machine(root, scratch, "installed")
    machine.install(package)
    machine.off()
    return f"{machine.layer / 'upper'}:{root}"


@pytest.fixture
def start_machine(scratch):
    machines = []

    def start(layers):
        machines.append(Machine(layers, scratch, f"pin53-{os.getpid()}-{len(list(scratch.iterdir()))}"))
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
def bare(start_machine, root):
    """A machine that has never heard of pin53."""
    return start_machine(root)


@pytest.fixture
def machine(start_machine, installed, sandbox):
    """One on which pin53 is installed, led to the sandbox, and has a name to pin. It isn't booted."""
    machine = start_machine(installed)
    machine.write("/etc/pin53/pin53.toml", CONFIGURATION)
    for unit in ("pin53.service", "pin53-once.service"):
        machine.unit(unit, Environment=sandbox.variables())
    return machine


CONFIGURATION = """\
watch = "1s"
[[record]]
name = "vpn.example.com"
"""
