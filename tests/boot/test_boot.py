"""The package on a machine with a real systemd: installed, booted, reloaded, killed, starved, upgraded, purged."""

import json

import pytest
from conftest import CONFIGURATION
from machine import eventually

FIRST = "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com"
MOVED = "ec2-203-0-113-9.eu-west-1.compute.amazonaws.com"


def pid(machine):
    return machine.property("pin53", "MainPID")


def restarts(machine):
    return int(machine.property("pin53", "NRestarts"))


def test_a_name_is_pinned_by_the_boot_and_follows(machine, sandbox):
    machine.boot()
    assert machine.booted() == "running"
    # Ready means that it is there.
    assert machine.property("pin53", "ActiveState") == "active"
    assert sandbox.served() == FIRST
    assert FIRST in machine.property("pin53", "StatusText")
    sandbox.move(MOVED)
    eventually("the name follows", lambda: sandbox.served() == MOVED)
    eventually("the status follows", lambda: MOVED in machine.property("pin53", "StatusText"))


def test_it_runs_as_nobody_in_particular_and_keeps_its_state(machine, sandbox):
    machine.boot().booted()
    assert machine.property("pin53", "DynamicUser") == "yes"
    assert machine.says(f"stat --format=%u /proc/{pid(machine)}") != "0"
    assert machine.says(f"grep CapBnd /proc/{pid(machine)}/status").split()[1] == "0" * 16
    state = machine.says("ls -A /var/lib/private/pin53")
    assert state
    machine.shell("systemctl restart pin53")
    assert machine.says("ls -A /var/lib/private/pin53") == state


@pytest.mark.parametrize("trouble", ["imds-silent:always", "throttle:always"])
def test_a_boot_is_not_held_up_by_what_pin53_waits_for(machine, sandbox, trouble):
    # The first look for the instance's end is waited for too, and the loop turns all the same.
    machine.write("/etc/pin53/pin53.toml", CONFIGURATION + 'on_terminate = "withdraw"\n')
    machine.unit("pin53.service", WatchdogSec="1s")
    sandbox.misbehave(trouble)
    machine.boot()
    # Whoever wants to log in doesn't wait at all, and the boot is over after 20 seconds.
    eventually("there is a console", lambda: machine.property("console-getty", "ActiveState") == "active", 15)
    eventually("it says what it waits for", lambda: machine.property("pin53", "StatusText"))
    assert machine.property("pin53", "ActiveState") == "activating"
    assert machine.booted(40) == "running"
    assert (machine.property("pin53", "ActiveState"), restarts(machine)) == ("active", 0)
    assert "vpn.example.com" in machine.property("pin53", "StatusText")
    assert sandbox.served() == ""
    sandbox.behave()
    machine.shell("systemctl reload pin53")
    eventually("the name is pinned", lambda: sandbox.served() == FIRST)


def test_nothing_waits_for_the_network_to_be_online(machine):
    machine.boot().booted()
    assert machine.property("network-online.target", "ActiveState") == "inactive"
    for unit in ("pin53.service", "pin53-once.service"):
        assert "network-online.target" not in machine.says(f"systemctl list-dependencies --after {unit}")


def test_a_reload_takes_a_new_configuration_and_refuses_a_broken_one(machine, sandbox):
    machine.boot().booted()
    before = pid(machine)
    machine.write("/etc/pin53/pin53.toml", CONFIGURATION + '[[record]]\nname = "second.example.com"\n')
    machine.shell("systemctl reload pin53")
    eventually("the second name is pinned", lambda: sandbox.served("second.example.com") == FIRST)
    eventually("the reload is over", lambda: machine.property("pin53", "ActiveState") == "active")

    machine.write("/etc/pin53/pin53.toml", CONFIGURATION + 'intervall = "1m"\n')
    machine.shell("systemctl reload pin53")
    eventually("it is refused", lambda: machine.is_logged("configuration refused, the old settings stay"))
    eventually("the reload is over", lambda: machine.property("pin53", "ActiveState") == "active")
    sandbox.move(MOVED)
    for name in ("vpn.example.com", "second.example.com"):
        eventually(f"{name} is followed on", lambda: sandbox.served(name) == MOVED)
    assert (pid(machine), restarts(machine)) == (before, 0)


def test_the_log_is_turned_up_without_a_restart(machine):
    machine.boot().booted()
    assert not machine.is_logged("DEBUG")
    machine.write("/etc/pin53/pin53.toml", 'log = "debug"\nlog_format = "json"\n' + CONFIGURATION)
    machine.shell("systemctl reload pin53")
    eventually("there is more to read", lambda: machine.is_logged('"level":"DEBUG"'))
    assert restarts(machine) == 0


def test_it_comes_back_when_it_is_killed(machine, sandbox):
    machine.boot().booted()
    machine.shell("systemctl kill --signal=KILL pin53")
    eventually("it is started again", lambda: restarts(machine) == 1)
    eventually("it is there", lambda: machine.property("pin53", "ActiveState") == "active")
    sandbox.move(MOVED)
    eventually("the name is followed on", lambda: sandbox.served() == MOVED)


def test_it_comes_back_when_it_hangs(machine, sandbox):
    machine.unit("pin53.service", WatchdogSec="2s")
    machine.boot().booted()
    fed = machine.property("pin53", "WatchdogTimestampMonotonic")
    eventually("the watchdog is fed", lambda: machine.property("pin53", "WatchdogTimestampMonotonic") != fed)
    assert restarts(machine) == 0
    machine.shell("systemctl kill --signal=STOP pin53")
    eventually("the watchdog starves", lambda: machine.is_logged("Watchdog timeout"))
    eventually("it is started again", lambda: restarts(machine) == 1)
    eventually("it is there", lambda: machine.property("pin53", "ActiveState") == "active")


def test_a_wrong_configuration_is_not_tried_again(machine):
    machine.write("/etc/pin53/pin53.toml", 'intervall = "1m"\n')
    machine.boot()
    assert machine.booted() == "degraded"
    assert machine.property("pin53", "ActiveState") == "failed"
    assert (machine.property("pin53", "ExecMainStatus"), restarts(machine)) == ("78", 0)
    assert machine.is_logged("interval")


def test_the_record_goes_with_the_machine_where_that_is_wanted(machine, sandbox):
    machine.write("/etc/pin53/pin53.toml", CONFIGURATION + 'on_stop = "withdraw"\n')
    machine.boot().booted()
    assert sandbox.served() == FIRST
    machine.shell("systemctl stop pin53")
    assert sandbox.served() == ""
    assert machine.property("pin53", "Result") == "success"
    machine.shell("systemctl start pin53")
    assert sandbox.served() == FIRST
    machine.shut_down()
    assert sandbox.served() == ""


def test_a_credential_that_only_root_may_read_is_handed_over(machine, sandbox):
    # The key alone leads to Route 53.
    sandbox.change(role=None)
    lines = [f"{name.lower()} = {value}" for name, value in sandbox.key.items()]
    machine.write("/root/.aws/credentials", "\n".join(["[default]", *lines, ""]), 0o600)
    secret = CONFIGURATION.replace("vpn", "secret")
    machine.write("/etc/pin53/secret.toml", secret, 0o600)
    # What the comment in the unit says, word for word.
    unit = machine.read("/usr/lib/systemd/system/pin53.service")
    drop_in = [line.removeprefix("#   ") for line in unit.splitlines() if line.startswith("#   ")]
    assert drop_in[0] == "[Service]" and len(drop_in) == 5
    machine.write("/etc/systemd/system/pin53.service.d/override.conf", "\n".join([*drop_in, ""]))
    machine.boot()
    assert machine.booted() == "running"
    assert sandbox.served("secret.example.com") == FIRST
    assert sandbox.key["AWS_SECRET_ACCESS_KEY"] not in machine.journal()


def test_the_timer_brings_names_up_to_date_now_and_then(machine, sandbox):
    machine.shell("systemctl disable pin53.service && systemctl enable pin53-once.timer")
    machine.unit("pin53-once.timer", section="Timer", OnBootSec="1s", OnUnitInactiveSec="1s", RandomizedDelaySec="1ms")
    machine.boot()
    assert machine.booted() == "running"
    eventually("the name is pinned", lambda: sandbox.served() == FIRST)
    sandbox.move(MOVED)
    eventually("and again", lambda: sandbox.served() == MOVED)
    assert machine.property("pin53", "ActiveState") == "inactive"


def test_doctor_examines_the_unit_and_its_state(machine, sandbox):
    machine.boot().booted()
    variables = " ".join(f"{name}='{value}'" for name, value in sandbox.environment.items())

    def found():
        said = json.loads(machine.shell(f"{variables} pin53 doctor --json", check=False).stdout)
        return {check["id"]: check for check in said["checks"]}

    well = found()
    assert (well["unit"]["status"], well["state"]["status"]) == ("ok", "ok"), well
    machine.shell("systemctl stop pin53")
    unit = found()["unit"]
    assert unit["status"] == "warn" and "systemctl enable --now" in unit["mend"], unit
