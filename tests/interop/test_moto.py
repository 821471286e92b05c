"""Judges pin53 on a Route 53 that we did not write: moto's server, with SigV4 and keys from the environment.

moto checks no signatures and lets pass what Route 53 refuses: it judges how requests and answers are read.
"""

import json

import pytest
from peers import plain_environment, run

NAME = "vpn.moto.example"
HOST = "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com"
MOVED = "ec2-203-0-113-99.eu-west-1.compute.amazonaws.com"


@pytest.fixture
def zone(moto):
    client = moto.client()
    zone = client.create_hosted_zone(Name="moto.example", CallerReference="interop")["HostedZone"]["Id"]
    yield zone
    kept = ("NS", "SOA")
    for found in client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]:
        if found["Type"] not in kept:
            change = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": found}]}
            client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
    client.delete_hosted_zone(Id=zone)


@pytest.fixture
def environment(moto, sandbox):
    """The keys and the endpoint are moto's, the metadata is a sandbox's."""
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": sandbox.metadata} | moto.env


def test_a_name_is_created_left_alone_and_moved_on_motos_route_53(pin53, sandbox, environment, zone, tmp_path):
    once = lambda: pin53(environment, "--once", "--name", NAME, "--signing", "sigv4")
    created = once()
    assert (created.returncode, created.stdout) == (0, f"changed {NAME} CNAME (none) -> {HOST} (ttl 60)\n"), created
    unchanged = once()
    assert (unchanged.returncode, unchanged.stdout) == (0, f"unchanged {NAME} CNAME {HOST} (ttl 60)\n"), unchanged
    sandbox.move(MOVED)
    moved = once()
    assert (moved.returncode, moved.stdout) == (0, f"changed {NAME} CNAME {HOST} -> {MOVED} (ttl 60)\n"), moved

    command = ["aws", "--output", "json", "route53", "list-resource-record-sets", "--hosted-zone-id", zone]
    listed = run(command, plain_environment(tmp_path) | environment, timeout=60)
    [record] = [r for r in json.loads(listed.stdout)["ResourceRecordSets"] if r["Type"] == "CNAME"]
    assert record["Name"] == NAME + "." and record["TTL"] == 60
    assert [value["Value"].removesuffix(".") for value in record["ResourceRecords"]] == [MOVED]


def test_addresses_and_wildcards_are_read_back_from_moto_as_they_were_written(pin53, environment, zone):
    for name, kind in (("a.moto.example", "A"), ("six.moto.example", "AAAA"), ("*.wild.moto.example", "CNAME")):
        run = lambda: pin53(environment, "--once", "--name", name, "--type", kind, "--signing", "sigv4", "--wait", "off")
        assert run().stdout.startswith(f"changed {name} {kind} (none) -> ")
        assert run().stdout.startswith(f"unchanged {name} {kind} ")


def test_several_zones_of_one_name_are_told_by_their_ids_and_one_can_be_chosen(pin53, moto, environment, zone):
    client = moto.client()
    second = client.create_hosted_zone(Name="moto.example", CallerReference="interop 2")["HostedZone"]["Id"]
    try:
        both = pin53(environment, "--once", "--name", NAME, "--signing", "sigv4")
        assert both.returncode == 78, both
        for candidate in (zone, second):
            assert candidate.removeprefix("/hostedzone/") in both.stdout
        chosen = ["--zone", zone.removeprefix("/hostedzone/")]
        assert pin53(environment, "--once", "--name", NAME, "--signing", "sigv4", *chosen).returncode == 0
        kinds = [r["Type"] for r in client.list_resource_record_sets(HostedZoneId=second)["ResourceRecordSets"]]
        assert "CNAME" not in kinds
    finally:
        client.delete_hosted_zone(Id=second)
