"""The user data, carried out by cloud-init itself: the package fetched, checked and installed, the names pinned."""

import functools
import hashlib
import http.server
import json
import pathlib
import re
import subprocess
import threading

import pytest
from conftest import built, user_data
from peers import plain_environment

FIRST_BOOT = pathlib.Path(__file__).with_name("first_boot.sh")


@pytest.fixture(scope="module")
def package():
    return built("ci/boot/pin53.deb")


@pytest.fixture
def address(package):
    """Where the package is served."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=package.parent)
    handler.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/{package.name}"
        server.shutdown()


@pytest.fixture
def first_boot(tmp_path, sandbox):
    """What became of a machine that boots with the user data."""

    def first_boot(**values):
        here = tmp_path / "boot"
        here.mkdir()
        (here / "user-data").write_text(user_data(**values))
        environment = plain_environment(here) | sandbox.env
        subprocess.run([FIRST_BOOT, here, built("ci/cloud-init/*.deb")], env=environment, check=True)
        return {file.name: file.read_text() for file in here.iterdir() if file.is_file()}

    return first_boot


def test_a_first_boot_installs_the_package_and_pins_the_names(first_boot, package, address, sandbox):
    names = ["vpn.example.com", "{{ instance_id }}.example.com"]
    checksum = hashlib.sha256(package.read_bytes()).hexdigest()
    zone = sandbox.client().list_hosted_zones()["HostedZones"][0]["Id"].removeprefix("/hostedzone/")
    found = first_boot(Names=",".join(names), Type="CNAME", ZoneId=zone, PackageUrl=address, PackageSha256=checksum)
    assert re.search(r"^Valid cloud-config: ", found["schema"], re.M), found["schema"]
    assert json.loads(found["result.json"])["v1"]["errors"] == [], found["log"]
    assert found["installed"] == "install ok installed"
    assert found["enabled"] == "enabled\n"
    records = [f'[[record]]\nname = "{name}"\ntype = "CNAME"\nzone = "{zone}"\n\n' for name in names]
    assert found["pin53.toml"] == "".join(records)
    assert found["once"].count("changed ") == len(names), found["once"]
    assert f"changed vpn.example.com CNAME (none) -> {sandbox.host()} (ttl 60)\n" in found["once"]


def test_a_package_with_another_checksum_is_not_installed(first_boot, address):
    found = first_boot(Names="vpn.example.com", Type="CNAME", ZoneId="Z1", PackageUrl=address, PackageSha256="0" * 64)
    assert json.loads(found["result.json"])["v1"]["errors"], found["log"]
    assert "no packages found" in found["installed"]
