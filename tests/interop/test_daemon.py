"""Judges the daemon by the clock: how soon a record follows, and how soon it ends when told to."""

import json
import signal

from peers import waited_for

NAME = "vpn.example.com"
HOST = "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com"
MOVED = "ec2-203-0-113-99.eu-west-1.compute.amazonaws.com"
WATCH = 1
OPTIONS = ("--name", NAME, "--watch", f"{WATCH}s", "--interval", "1h")


def points_at(sandbox, host):
    return lambda: sandbox.dig("+short", NAME, "CNAME") == host + ".\n"


def test_the_record_follows_within_a_watch_and_a_second(sandbox, start_daemon):
    daemon = start_daemon(sandbox.env, *OPTIONS)
    waited_for(points_at(sandbox, HOST))
    for host in (MOVED, HOST):
        sandbox.move(host)
        _, took = waited_for(points_at(sandbox, host))
        assert took < WATCH + 1
    reads = sandbox.stats()["route53"]["operations"]
    assert reads["ChangeResourceRecordSets"] == 3
    status, took = daemon.stop()
    assert (status, daemon.process.stdout.read()) == (0, ""), daemon.logged()
    assert took < 2
    assert MOVED in daemon.logged()


def test_an_unchanged_machine_costs_one_metadata_request_a_watch_and_nothing_of_route_53(sandbox, start_daemon):
    start_daemon(sandbox.env, *OPTIONS)
    waited_for(points_at(sandbox, HOST))
    waited_for(lambda: "GetChange" in sandbox.stats()["route53"]["operations"])
    before = sandbox.stats()
    looked = lambda stats: stats["imds"]["requests"] - before["imds"]["requests"]
    _, took = waited_for(lambda: looked(sandbox.stats()) >= 3)
    assert took > 2 * WATCH - 0.5
    assert sandbox.stats()["route53"] == before["route53"]


def test_an_address_that_comes_late_is_published_when_it_comes(sandbox, start_daemon):
    sandbox.control("PUT", "/sandbox/instance", json.dumps({"public-hostname": None}))
    daemon = start_daemon(sandbox.env, *OPTIONS)
    waited_for(lambda: "left " + NAME in daemon.logged())
    sandbox.move(HOST)
    _, took = waited_for(points_at(sandbox, HOST))
    assert took < WATCH + 1


def test_a_sighup_reads_the_file_again_and_a_wrong_one_changes_nothing(sandbox, start_daemon, tmp_path):
    file = tmp_path / "pin53.toml"
    file.write_text(f'[[record]]\nname = "{NAME}"\n')
    daemon = start_daemon(sandbox.env, "--config", str(file), "--watch", "1s")
    waited_for(points_at(sandbox, HOST))

    file.write_text('[[record]]\nnam = "new.example.com"\n')
    daemon.process.send_signal(signal.SIGHUP)
    waited_for(lambda: "configuration refused, the old settings stay" in daemon.logged())
    assert "record[0].nam" in daemon.logged()
    sandbox.move(MOVED)
    waited_for(points_at(sandbox, MOVED))

    file.write_text(f'[[record]]\nname = "{NAME}"\n[[record]]\nname = "new.example.com"\n')
    daemon.process.send_signal(signal.SIGHUP)
    waited_for(lambda: sandbox.dig("+short", "new.example.com", "CNAME") == MOVED + ".\n")
    status, _ = daemon.stop()
    assert status == 0, daemon.logged()


def test_it_ends_in_time_while_route_53_keeps_it_waiting(start_sandbox, start_daemon):
    sandbox = start_sandbox("--latency", "aws=60s")
    daemon = start_daemon(sandbox.env, *OPTIONS)
    waited_for(lambda: sandbox.stats()["route53"]["requests"])
    status, took = daemon.stop(signal.SIGINT)
    assert status == 0 and took < 2, daemon.logged()


def test_it_ends_in_time_while_the_metadata_service_keeps_it_waiting(sandbox, start_daemon):
    sandbox.fault("imds-silent:always")
    daemon = start_daemon(sandbox.env, *OPTIONS)
    waited_for(lambda: sandbox.stats()["imds"]["requests"])
    status, took = daemon.stop()
    assert status == 0 and took < 2, daemon.logged()
