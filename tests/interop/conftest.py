"""What every judge here needs: the binaries under test, and peers that end with their test."""

import os
import pathlib
import shutil

import pytest
from peers import Daemon, Hooks, Ministack, Moto, Sandbox, plain_environment, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def built(path):
    if not path.exists():
        pytest.exit(f"{path} isn't there: .ci/run interop builds it", returncode=2)
    return str(path)


@pytest.fixture(scope="session")
def pin53_binary():
    return built(TARGET / "release" / "pin53")


@pytest.fixture(scope="session")
def signer_binary():
    return built(TARGET / "debug" / "examples" / "signer")


@pytest.fixture
def start_sandbox(pin53_binary, tmp_path):
    """Starts sandboxes with the options of `pin53 sandbox`, and ends them with the test."""
    started = []

    def start(*options):
        started.append(Sandbox(pin53_binary, tmp_path, *options))
        return started[-1]

    yield start
    for sandbox in started:
        sandbox.end()


@pytest.fixture
def sandbox(start_sandbox):
    return start_sandbox()


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    server = Moto(tmp_path_factory.mktemp("moto"))
    yield server
    server.end()


@pytest.fixture(scope="session")
def ministack(tmp_path_factory):
    binary = shutil.which("ministack") or pytest.fail("ministack isn't on PATH: .ci/run interop installs it")
    server = Ministack(binary, tmp_path_factory.mktemp("ministack"))
    yield server
    server.end()


@pytest.fixture
def hooks():
    server = Hooks()
    yield server
    server.end()


@pytest.fixture
def pin53(pin53_binary, tmp_path):
    """Runs pin53 in nothing but the variables given, and a home and state of its own."""

    def call(environment, *arguments, timeout=40):
        return run([pin53_binary, *arguments], plain_environment(tmp_path) | environment, timeout)

    return call


@pytest.fixture
def start_daemon(pin53_binary, tmp_path):
    """Starts daemons, and kills those that a test has left."""
    started = []

    def start(environment, *arguments):
        environment = plain_environment(tmp_path) | environment
        started.append(Daemon([pin53_binary, *arguments], environment))
        return started[-1]

    yield start
    for daemon in started:
        daemon.end()
