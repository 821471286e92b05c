"""Judges `interface:` by the kernel: which addresses are told, and how soon a change of them is.

In a network namespace of its own, which takes root.
"""

import ctypes
import json
import os
import subprocess

import pytest
from peers import waited_for

NAME = "vpn.example.com"
CLONE_NEWNET = 0x40000000
# Soon, for a daemon that looks at its sources once an hour.
SOON = 4
OPTIONS = ("--name", NAME, "--watch", "1h", "--interval", "1h", "--wait", "off")


def in_kernel(function, *arguments):
    """Calls what Python has a function for only since 3.12."""
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments):
        raise OSError(ctypes.get_errno(), function)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@pytest.fixture(autouse=True)
def network():
    """A network of the test's own, with an interface `wan` that is up."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        in_kernel("unshare", CLONE_NEWNET)
    except OSError:
        os.close(before)
        pytest.skip("a network namespace takes root")
    try:
        ip("link", "set", "lo", "up")
        ip("link", "add", "wan", "type", "veth", "peer", "name", "far")
        ip("link", "set", "far", "up")
        ip("link", "set", "wan", "up")
        yield
    finally:
        in_kernel("setns", before, CLONE_NEWNET)
        os.close(before)


def answers(sandbox, rtype):
    return sorted(sandbox.dig("+short", NAME, rtype).split())


def follows(sandbox, rtype, *addresses):
    _, took = waited_for(lambda: answers(sandbox, rtype) == sorted(addresses))
    return took


def test_addresses_are_followed_at_once(sandbox, start_daemon):
    ip("addr", "add", "198.51.100.20/24", "dev", "wan")
    daemon = start_daemon(sandbox.env, *OPTIONS, "--type", "A", "--source", "interface:wan")
    follows(sandbox, "A", "198.51.100.20")
    ip("addr", "add", "198.51.100.21/24", "dev", "wan")
    assert follows(sandbox, "A", "198.51.100.20", "198.51.100.21") < SOON
    ip("addr", "del", "198.51.100.21/24", "dev", "wan")
    assert follows(sandbox, "A", "198.51.100.20") < SOON
    # None at all: the record stays, and the next address takes its place.
    ip("addr", "flush", "dev", "wan")
    waited_for(lambda: "the interface wan has no IPv4 address" in daemon.logged())
    assert answers(sandbox, "A") == ["198.51.100.20"]
    ip("addr", "add", "203.0.113.5/32", "dev", "wan")
    assert follows(sandbox, "A", "203.0.113.5") < SOON


def test_a_change_during_a_look_is_not_lost(sandbox, start_daemon):
    # Without an address, the next source is asked, and takes its time.
    sources = ("--source", "interface:wan", "--source", "command:sleep 2")
    daemon = start_daemon(sandbox.env, *OPTIONS, "--type", "A", *sources)
    pid = daemon.process.pid
    waited_for(lambda: open(f"/proc/{pid}/task/{pid}/children").read())
    ip("addr", "add", "198.51.100.40/32", "dev", "wan")
    assert follows(sandbox, "A", "198.51.100.40") < 2 + SOON


def test_an_interface_that_comes_late_or_goes_is_waited_for(sandbox, start_daemon):
    daemon = start_daemon(sandbox.env, *OPTIONS, "--type", "A", "--source", "interface:tun53")
    waited_for(lambda: "there is no interface tun53" in daemon.logged())
    ip("link", "add", "tun53", "type", "veth", "peer", "name", "tun53-far")
    ip("addr", "add", "198.51.100.30/32", "dev", "tun53")
    waited_for(lambda: "the interface tun53 is down" in daemon.logged())
    ip("link", "set", "tun53", "up")
    assert follows(sandbox, "A", "198.51.100.30") < SOON
    ip("link", "del", "tun53")
    waited_for(lambda: daemon.logged().count("there is no interface tun53") > 1)
    assert answers(sandbox, "A") == ["198.51.100.30"]


def test_only_ipv6_addresses_that_last_are_published(sandbox, start_daemon, pin53):
    # The kernel takes a while to find out that nobody else has an address, unless it is told to trust.
    add = lambda address, *flags: ip("-6", "addr", "add", f"{address}/64", "dev", "wan", *flags)
    add("2001:db8:53::1", "nodad")
    daemon = start_daemon(sandbox.env, *OPTIONS, "--type", "AAAA", "--source", "interface:wan")
    follows(sandbox, "AAAA", "2001:db8:53::1")
    add("2001:db8:53::2", "nodad", "valid_lft", "3600", "preferred_lft", "0")
    add("fe80::53", "nodad")
    add("2001:db8:53::3", "nodad")
    assert follows(sandbox, "AAAA", "2001:db8:53::1", "2001:db8:53::3") < SOON
    # Deprecated from now on, and gone from the record.
    ip("-6", "addr", "change", "2001:db8:53::3/64", "dev", "wan", "valid_lft", "3600", "preferred_lft", "0")
    assert follows(sandbox, "AAAA", "2001:db8:53::1") < SOON
    # Tentative until the kernel knows; the other end of the cable is down, so that it doesn't get to know.
    ip("link", "set", "far", "down")
    add("2001:db8:53::4")
    assert "tentative" in flags_of("2001:db8:53::4")
    once = pin53(sandbox.env, "plan", "--json", "--name", NAME, "--type", "AAAA", "--source", "interface:wan")
    assert json.loads(once.stdout)["records"][0]["outcome"] == "unchanged", once.stdout
    ip("link", "set", "far", "up")
    follows(sandbox, "AAAA", "2001:db8:53::1", "2001:db8:53::4")
    assert "2001:db8:53::2" not in daemon.logged() and "fe80" not in daemon.logged()


def test_an_address_that_somebody_else_has_is_never_published(sandbox, start_daemon):
    ip("-6", "addr", "add", "2001:db8:53::1/64", "dev", "wan", "nodad")
    ip("-6", "addr", "add", "2001:db8:53::9/64", "dev", "far", "nodad")
    start_daemon(sandbox.env, *OPTIONS, "--type", "AAAA", "--source", "interface:wan")
    follows(sandbox, "AAAA", "2001:db8:53::1")
    ip("-6", "addr", "add", "2001:db8:53::9/64", "dev", "wan")
    waited_for(lambda: "dadfailed" in flags_of("2001:db8:53::9"))
    ip("-6", "addr", "add", "2001:db8:53::2/64", "dev", "wan", "nodad")
    follows(sandbox, "AAAA", "2001:db8:53::1", "2001:db8:53::2")


def flags_of(address):
    shown = subprocess.run(["ip", "-6", "addr", "show", "dev", "wan"], check=True, capture_output=True, text=True)
    return next(line for line in shown.stdout.splitlines() if address in line)


def test_a_temporary_address_is_never_published(sandbox, pin53):
    # Privacy addresses are made beside one that a router announced, which `mngtmpaddr` stands in for.
    for setting in ("all", "wan"):
        with open(f"/proc/sys/net/ipv6/conf/{setting}/use_tempaddr", "w") as file:
            file.write("2")
    lasting = "2001:db8:53:0:5054:ff:fe00:53"
    ip("-6", "addr", "add", f"{lasting}/64", "dev", "wan", "mngtmpaddr", "nodad", "valid_lft", "3600", "preferred_lft", "1800")
    waited_for(lambda: "temporary" in temporary())
    once = pin53(sandbox.env, "--once", "--json", "--name", NAME, "--type", "AAAA", "--source", "interface:wan")
    assert json.loads(once.stdout)["records"][0]["after"]["values"] == [lasting], once.stdout


def temporary():
    shown = subprocess.run(["ip", "-6", "addr", "show", "dev", "wan"], check=True, capture_output=True, text=True)
    return shown.stdout


def test_without_such_a_source_no_netlink_socket_is_open(sandbox, start_daemon):
    def sockets(daemon):
        fds = f"/proc/{daemon.process.pid}/fd"
        own = {os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds)}
        with open(f"/proc/{daemon.process.pid}/net/netlink") as file:
            inodes = {f"socket:[{line.split()[-1]}]" for line in file}
        return own & inodes

    for source, expected in (("imds", 0), ("interface:wan", 1)):
        daemon = start_daemon(sandbox.env, *OPTIONS, "--type", "A", "--source", source)
        waited_for(lambda: NAME in daemon.logged())
        assert len(sockets(daemon)) == expected
