"""The life of the package on a machine that runs."""

import pathlib
import re
import time

from conftest import CONFIGURATION
from machine import eventually

FILE = "/etc/pin53/pin53.toml"
README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def commands_of_readme():
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    commands = next(block for block in blocks if "dpkg -i" in block)
    return commands.replace("sudo ", "").splitlines()


def test_it_waits_for_a_name_and_three_commands_pin_it(bare, sandbox, package):
    installation, *others = commands_of_readme()
    assert (installation, len(others)) == ("dpkg -i pin53_*.deb", 2)
    bare.unit("pin53.service", Environment=sandbox.variables())
    bare.boot().booted()
    start = time.monotonic()
    said = bare.install(package)
    installed = time.monotonic()
    assert "put a name into /etc/pin53/pin53.toml" in said
    assert bare.says("systemctl is-enabled pin53") == "enabled"
    assert bare.says("systemctl is-enabled pin53-once.timer || true") == "disabled"
    assert bare.says("systemctl is-system-running") == "running", "nothing has failed"
    looked = time.monotonic()
    for command in others:
        bare.shell(command)
    assert sandbox.served() == sandbox.host()
    took = installed - start + time.monotonic() - looked
    assert took < 10, "as the README says"


def test_one_that_is_configured_already_is_started(bare, sandbox, package):
    bare.unit("pin53.service", Environment=sandbox.variables())
    bare.write(FILE, CONFIGURATION)
    bare.boot().booted()
    bare.install(package)
    assert sandbox.served() == sandbox.host()
    assert bare.read(FILE) == CONFIGURATION


def test_an_upgrade_goes_on_with_the_old_configuration(machine, sandbox, next_package):
    machine.boot().booted()
    before = machine.property("pin53", "MainPID")
    machine.install(next_package)
    assert machine.says("dpkg-query --show --showformat='${Version}' pin53").startswith("99")
    assert machine.read(FILE) == CONFIGURATION
    assert machine.property("pin53", "ActiveState") == "active"
    assert machine.property("pin53", "MainPID") != before, "the new binary runs"
    sandbox.move("ec2-203-0-113-9.eu-west-1.compute.amazonaws.com")
    eventually("the name is followed on", lambda: sandbox.served().startswith("ec2-203"))


def test_a_configuration_that_nobody_touched_is_replaced_by_an_upgrade(bare, package, next_package):
    bare.boot().booted()
    bare.install(package)
    bare.install(next_package)
    assert "# next" in bare.read(FILE)


def test_an_administrator_who_disabled_it_is_heard_by_an_upgrade(machine, next_package):
    machine.boot().booted()
    machine.shell("systemctl disable --now pin53")
    machine.install(next_package)
    assert machine.says("systemctl is-enabled pin53 || true") == "disabled"
    assert machine.property("pin53", "ActiveState") == "inactive"


def test_what_is_removed_stops_and_what_is_purged_leaves_nothing(machine, sandbox):
    machine.boot().booted()
    machine.shell("dpkg --remove pin53")
    assert machine.property("pin53", "ActiveState") == "inactive"
    assert machine.exists(FILE) and machine.exists("/var/lib/private/pin53")
    assert sandbox.served() == sandbox.host(), "the record stays"
    machine.shell("dpkg --purge pin53")
    left = "find / -xdev -path /proc -prune -o -path /var/log -prune -o -iname '*pin53*' -print"
    drop_ins = {"/root/pin53.deb", "/etc/systemd/system/pin53.service.d", "/etc/systemd/system/pin53-once.service.d"}
    assert set(machine.says(left).splitlines()) - drop_ins == set()
    assert machine.says("systemctl list-units --all --plain --no-legend 'pin53*'") == ""


def test_it_brings_its_manual_and_completions(machine):
    held = machine.says("dpkg --listfiles pin53").splitlines()
    for place in (
        "/usr/share/man/man1/pin53.1.gz",
        "/usr/share/man/man5/pin53.toml.5.gz",
        "/usr/share/man/man7/pin53-failures.7.gz",
        "/usr/share/bash-completion/completions/pin53",
        "/usr/share/zsh/vendor-completions/_pin53",
        "/usr/share/fish/vendor_completions.d/pin53.fish",
    ):
        assert place in held and machine.says(f"stat --format=%s {place}") != "0", place
