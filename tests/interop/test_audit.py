"""Judges audits over DNS against NSD, a name server that isn't ours."""

import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
from peers import Process, waited_for

NAME = "vpn.example.com"
HOST = "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com"
INTERVAL = 1
RHYTHM = ("--watch", "1h", "--interval", f"{INTERVAL}s")
OPTIONS = ("--name", NAME, *RHYTHM)
OWNED = """
[[record]]
name = "*.example.com"
type = "A"
owner = "me"

[[record]]
name = "vpn.example.com"
owner = "me"
"""
MARKER = '"heritage=external-dns,external-dns/owner={}"'


def free_port(host="127.0.0.1"):
    """A port that is free for both UDP and TCP."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family) as tcp:
            udp.bind((host, 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            return udp.getsockname()[1]


class Nsd(Process):
    """NSD with one zone."""

    def __init__(self, home, zone="example.com", host="127.0.0.1"):
        home.mkdir()
        self.home, self.zone, self.port, self.serial = home, zone, free_port(host), 0
        self.host = host
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.serve(HOST)
        (home / "nsd.conf").write_text(f"""
server:
    ip-address: {host}@{self.port}
    username: ""
    zonesdir: "{home}"
    zonelistfile: "{home}/zone.list"
    xfrdfile: ""
    database: ""
    pidfile: "{home}/nsd.pid"
    logfile: "{home}/nsd.log"
    server-count: 1
remote-control:
    control-enable: no
zone:
    name: {zone}
    zonefile: zone
""")
        command = [shutil.which("nsd", path="/usr/sbin:/usr/bin:/sbin:/bin"), "-d", "-c", str(home / "nsd.conf")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        waited_for(lambda: self.answers(zone, "SOA"))

    def serve(self, host, ttl=60, owner="me"):
        """Has the record point at `host`, marked as `owner`'s."""
        self.serial += 1
        (self.home / "zone").write_text(
            f"$ORIGIN {self.zone}.\n"
            f"@ 900 IN SOA ns1 hostmaster {self.serial} 7200 900 1209600 86400\n"
            "@ 900 IN NS ns1\nns1 900 IN A 127.0.0.1\n"
            f"vpn {ttl} IN CNAME {host}.\n"
            f"cname-vpn 300 IN TXT {MARKER.format(owner)}\n"
            f"* 60 IN A 198.51.100.7\na-* 300 IN TXT {MARKER.format('me')}\n"
        )

    def change(self, host, ttl=60, owner="me"):
        self.serve(host, ttl, owner)
        self.process.send_signal(signal.SIGHUP)
        waited_for(lambda: str(self.serial) in self.answers(self.zone, "SOA").split())

    def answers(self, *question):
        command = ["dig", f"@{self.host}", "-p", str(self.port), "+short", "+tries=1", "+timeout=1", *question]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""


@pytest.fixture
def nsd(tmp_path):
    started = []

    def start(**options):
        started.append(Nsd(tmp_path / f"nsd-{len(started)}", **options))
        return started[-1]

    yield start
    for server in started:
        server.end()


def audited_by(sandbox, *addresses):
    return sandbox.env | {"PIN53_AUDIT__NAME_SERVERS": ",".join(addresses)}


def settled(sandbox):
    """Waits until a daemon is through with its start, and gives the API's statistics."""
    waited_for(lambda: sandbox.stats()["route53"]["operations"].get("GetChange"))
    return sandbox.stats()["route53"]


def test_while_the_name_server_answers_as_wanted_the_api_is_asked_nothing(sandbox, nsd, start_daemon):
    start_daemon(audited_by(sandbox, nsd().address), *OPTIONS)
    before = settled(sandbox)
    time.sleep(5 * INTERVAL)
    assert sandbox.stats()["route53"] == before
    assert sandbox.stats()["dns"]["queries"] == 0, "nor the sandbox's own name server"


def test_a_name_server_that_has_ipv6_alone_is_asked_over_it(sandbox, nsd, start_daemon):
    over_ipv6 = nsd(host="::1")
    start_daemon(audited_by(sandbox, f"127.0.0.1:{free_port()}", over_ipv6.address), *OPTIONS)
    before = settled(sandbox)
    time.sleep(5 * INTERVAL)
    assert sandbox.stats()["route53"] == before


def test_drift_that_the_name_server_shows_is_mended_through_the_api(sandbox, nsd, start_daemon):
    server = nsd()
    start_daemon(audited_by(sandbox, server.address), *OPTIONS)
    settled(sandbox)
    client = sandbox.client()
    zone = client.list_hosted_zones()["HostedZones"][0]["Id"]
    record = {"Name": NAME, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "drift.example.net"}]}
    change = {"Action": "UPSERT", "ResourceRecordSet": record}
    client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    server.change("drift.example.net")
    waited_for(lambda: sandbox.dig("+short", NAME, "CNAME") == HOST + ".\n")


@pytest.mark.parametrize("served", [("other.example.net", 60), (HOST, 300)])
def test_only_what_the_api_says_is_acted_upon(sandbox, nsd, start_daemon, served):
    server = nsd()
    start_daemon(audited_by(sandbox, server.address), *OPTIONS)
    before = settled(sandbox)["operations"]
    server.change(*served)
    reads = before["ListResourceRecordSets"]
    waited_for(lambda: sandbox.stats()["route53"]["operations"]["ListResourceRecordSets"] > reads + 1)
    assert sandbox.stats()["route53"]["operations"]["ChangeResourceRecordSets"] == before["ChangeResourceRecordSets"]


def test_a_record_with_an_owner_is_audited_with_its_marker(sandbox, nsd, start_daemon, tmp_path):
    server, config = nsd(), tmp_path / "pin53.toml"
    config.write_text(OWNED)
    daemon = start_daemon(audited_by(sandbox, server.address), "--config", str(config), *RHYTHM)
    before = settled(sandbox)
    time.sleep(5 * INTERVAL)
    assert sandbox.stats()["route53"] == before, daemon.logged()
    server.change(HOST, owner="you")
    reads = before["operations"]["ListResourceRecordSets"]
    waited_for(lambda: sandbox.stats()["route53"]["operations"]["ListResourceRecordSets"] > reads + 1)
    assert sandbox.stats()["route53"]["operations"]["ChangeResourceRecordSets"] == before["operations"]["ChangeResourceRecordSets"]


def test_a_server_of_another_zone_is_passed_over(sandbox, nsd, start_daemon):
    lame, good = nsd(zone="example.org"), nsd()
    daemon = start_daemon(audited_by(sandbox, lame.address, good.address), *OPTIONS)
    before = settled(sandbox)
    time.sleep(4 * INTERVAL)
    assert sandbox.stats()["route53"] == before, daemon.logged()


def test_a_server_that_is_reached_over_tcp_alone_is_enough(sandbox, nsd, start_daemon):
    server = nsd()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def forward():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client, socket.create_connection(("127.0.0.1", server.port)) as upstream:
                    upstream.sendall(client.recv(4096))
                    client.sendall(upstream.recv(4096))

        threading.Thread(target=forward, daemon=True).start()
        start_daemon(audited_by(sandbox, f"127.0.0.1:{listener.getsockname()[1]}"), *OPTIONS)
        before = settled(sandbox)
        time.sleep(4 * INTERVAL)
        assert sandbox.stats()["route53"] == before
        listener.shutdown(socket.SHUT_RDWR)


def test_where_port_53_is_blocked_the_api_is_asked_in_the_same_audit_and_it_is_said_once(sandbox, start_daemon):
    # Bound, so that nothing comes back, and never answered.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind(("127.0.0.1", free_port()))
        tcp.bind(udp.getsockname())
        tcp.listen()
        daemon = start_daemon(audited_by(sandbox, "%s:%d" % udp.getsockname()), *OPTIONS)
        reads = settled(sandbox)["operations"]["ListResourceRecordSets"]
        _, took = waited_for(lambda: sandbox.stats()["route53"]["operations"]["ListResourceRecordSets"] > reads)
        assert took < INTERVAL * 1.1 + 5
        # From then on it is asked at each interval, without waiting for the silent server.
        _, took = waited_for(lambda: sandbox.stats()["route53"]["operations"]["ListResourceRecordSets"] > reads + 2)
        assert took < 2 * INTERVAL * 1.1 + 1
        assert daemon.logged().count("audited through the API") == 1, daemon.logged()
