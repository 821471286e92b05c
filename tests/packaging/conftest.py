"""What every test of a package or a recipe needs: the program, and a sandbox.

Not here: the building; `.ci/run packaging` does that.
"""

import os
import pathlib
import re
import subprocess

import pytest
from peers import Sandbox, plain_environment, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def built(pattern):
    """The one file of that pattern below target/."""
    found = sorted((ROOT / "target").glob(pattern))
    assert len(found) == 1, f"expected one target/{pattern}, found {found}: .ci/run packaging builds it"
    return found[0]


def user_data(**values):
    """The user data, filled in as its own comment tells a person to."""
    text = (DEPLOY / "cloud-init" / "user-data.yaml").read_text()
    command = re.search(r"^#   (envsubst .*) < user-data.yaml$", text, re.M)[1]
    filled = subprocess.run(command, shell=True, input=text, env=os.environ | values, capture_output=True, text=True)
    return filled.stdout


@pytest.fixture(scope="session")
def pin53_binary():
    return str(built("release/pin53"))


@pytest.fixture
def sandbox(pin53_binary, tmp_path):
    sandbox = Sandbox(pin53_binary, tmp_path)
    yield sandbox
    sandbox.end()


@pytest.fixture
def pin53(pin53_binary, tmp_path):
    def call(*arguments, **environment):
        return run([pin53_binary, *arguments], plain_environment(tmp_path) | environment)

    return call
