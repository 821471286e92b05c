"""Judges `pin53 sandbox` by clients that were written for AWS: boto3, the AWS CLI, dig and curl."""

import json
import re

import boto3
import pytest
from botocore.exceptions import ClientError
from peers import plain_environment, run

HOST = "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com"


def record(name, kind, *values, ttl=60, **more):
    return {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": v} for v in values]} | more


def batch(*changes):
    return {"Changes": [{"Action": action, "ResourceRecordSet": target} for action, target in changes]}


class Zone:
    """A hosted zone by way of boto3."""

    def __init__(self, client):
        self.client = client
        self.id = client.list_hosted_zones()["HostedZones"][0]["Id"]

    def change(self, *changes):
        return self.client.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch=batch(*changes))["ChangeInfo"]

    def refused(self, *changes):
        with pytest.raises(ClientError) as refusal:
            self.change(*changes)
        return refusal.value.response["Error"], refusal.value.response["ResponseMetadata"]["HTTPStatusCode"]

    def records(self, **start):
        return self.client.list_resource_record_sets(HostedZoneId=self.id, **start)["ResourceRecordSets"]

    def record(self, name, kind):
        [found] = [set_ for set_ in self.records() if (set_["Name"], set_["Type"]) == (name, kind)]
        return found


@pytest.fixture
def zone(sandbox):
    return Zone(sandbox.client())


def test_boto3_finds_zones_in_each_of_the_ways_that_route_53_has(start_sandbox):
    client = start_sandbox("--zone", "example.com", "--zone", "deep.example.com", "--zone", "example.org").client()
    zones = client.list_hosted_zones()
    assert sorted(z["Name"] for z in zones["HostedZones"]) == ["deep.example.com.", "example.com.", "example.org."]
    assert zones["IsTruncated"] is False and zones["MaxItems"] == "100"
    first = client.list_hosted_zones_by_name(DNSName="deep.example.com", MaxItems="1")
    assert [z["Name"] for z in first["HostedZones"]] == ["deep.example.com."]
    assert first["IsTruncated"] is True and first["NextDNSName"] == "example.org."
    by_name = client.list_hosted_zones_by_name()["HostedZones"]
    assert [z["Name"] for z in by_name] == ["example.com.", "deep.example.com.", "example.org."], "by reversed labels"
    one = client.get_hosted_zone(Id=first["HostedZones"][0]["Id"])
    assert one["HostedZone"]["Config"]["PrivateZone"] is False
    assert one["HostedZone"]["ResourceRecordSetCount"] == 2
    assert len(one["DelegationSet"]["NameServers"]) == 4
    pages = client.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 1})
    assert len([z for page in pages for z in page["HostedZones"]]) == 3


def test_boto3_creates_upserts_and_deletes_record_sets_of_each_kind(zone):
    cname = record("www.example.com", "CNAME", "host.example.net")
    several = record("a.example.com", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    text = record("txt.example.com", "TXT", '"plain"', '"with \\"quotes\\" & <angles>" "second \\351 string"', ttl=300)
    wildcard = record("*.wild.example.com", "A", "192.0.2.9")
    blue = record("weighted.example.com", "A", "192.0.2.4", SetIdentifier="blue", Weight=10)
    green = record("weighted.example.com", "A", "192.0.2.5", SetIdentifier="green", Weight=0)
    alias = {
        "Name": "alias.example.com",
        "Type": "A",
        "AliasTarget": {"HostedZoneId": zone.id.split("/")[-1], "DNSName": "a.example.com", "EvaluateTargetHealth": False},
    }
    made = [cname, several, text, wildcard, blue, green, alias]
    info = zone.change(*(("CREATE", target) for target in made))
    assert info["Status"] == "PENDING" and info["Id"].startswith("/change/C")

    assert zone.record("www.example.com.", "CNAME") == cname | {"Name": "www.example.com."}
    assert zone.record("txt.example.com.", "TXT")["ResourceRecords"] == text["ResourceRecords"]
    values = [r["Value"] for r in zone.record("a.example.com.", "A")["ResourceRecords"]]
    assert sorted(values) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert zone.record("\\052.wild.example.com.", "A")["TTL"] == 60
    assert zone.record("alias.example.com.", "A")["AliasTarget"]["DNSName"] == "a.example.com."
    weighted = [s for s in zone.records() if s["Name"] == "weighted.example.com."]
    assert [(s["SetIdentifier"], s["Weight"]) for s in weighted] == [("blue", 10), ("green", 0)]

    zone.change(("UPSERT", cname | {"TTL": 5}), ("UPSERT", record("new.example.com", "AAAA", "2001:db8::1")))
    assert zone.record("www.example.com.", "CNAME")["TTL"] == 5
    assert zone.record("new.example.com.", "AAAA")["ResourceRecords"] == [{"Value": "2001:db8::1"}]

    zone.change(*(("DELETE", target) for target in [cname | {"TTL": 5}, several, text, wildcard, blue, green, alias]))
    assert [s["Type"] for s in zone.records()] == ["NS", "SOA", "AAAA"]


def test_a_record_set_can_be_read_by_its_name_and_type(zone):
    zone.change(("CREATE", record("b.example.com", "A", "192.0.2.1")), ("CREATE", record("b.example.com", "TXT", '"b"')))
    [one] = zone.records(StartRecordName="b.example.com", StartRecordType="TXT", MaxItems="1")
    assert (one["Name"], one["Type"]) == ("b.example.com.", "TXT")
    [after] = zone.records(StartRecordName="a.example.com", StartRecordType="A", MaxItems="1")
    assert after["Name"] == "b.example.com.", "without the one that is asked for, the next is given"


def test_boto3_pages_through_hundreds_of_record_sets_and_misses_none(zone):
    wanted = [f"host-{number:03}.example.com." for number in range(640)]
    for start in range(0, len(wanted), 320):
        zone.change(*(("CREATE", record(name, "A", "192.0.2.1")) for name in wanted[start : start + 320]))
    pages = list(zone.client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone.id))
    assert [len(page["ResourceRecordSets"]) for page in pages] == [300, 300, 42]
    found = [s["Name"] for page in pages for s in page["ResourceRecordSets"] if s["Type"] == "A"]
    assert found == wanted


def test_boto3_waits_until_a_change_is_in_sync(start_sandbox):
    zone = Zone(start_sandbox("--fault", "slow-insync:1s").client())
    change = zone.change(("CREATE", record("slow.example.com", "A", "192.0.2.1")))["Id"]
    status = lambda: zone.client.get_change(Id=change)["ChangeInfo"]["Status"]
    assert status() == "PENDING"
    zone.client.get_waiter("resource_record_sets_changed").wait(Id=change, WaiterConfig={"Delay": 0.1})
    assert status() == "INSYNC"


def test_botocore_reads_from_each_refusal_what_it_reads_from_awss(zone):
    there = record("there.example.com", "A", "192.0.2.1")
    zone.change(("CREATE", there))
    error, status = zone.refused(("CREATE", there))
    assert (error["Code"], status) == ("InvalidChangeBatch", 400)
    told = "[Tried to create resource record set [name='there.example.com.', type='A'] but it already exists]"
    assert error["Message"] == told
    for changes, words in [
        ([("DELETE", record("gone.example.com", "A", "192.0.2.1"))], "but it was not found"),
        ([("DELETE", there | {"TTL": 61})], "the values provided do not match the current values"),
        ([("CREATE", record("there.example.com", "CNAME", "a.example"))], "conflicts with other records"),
        ([("CREATE", record("example.com", "CNAME", "a.example"))], "not permitted at apex"),
        ([("CREATE", record("www.example.org", "A", "192.0.2.1"))], "is not permitted in zone example.com."),
        ([("CREATE", record("fine.example.com", "A", "192.0.2.1")), ("CREATE", there)], "already exists"),
    ]:
        error, status = zone.refused(*changes)
        assert (error["Code"], status) == ("InvalidChangeBatch", 400)
        assert words in error["Message"]
    assert [s["Name"] for s in zone.records() if s["Type"] == "A"] == ["there.example.com."], "all or nothing"

    with pytest.raises(zone.client.exceptions.NoSuchHostedZone) as refusal:
        zone.client.get_hosted_zone(Id="Z0000000000000")
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(zone.client.exceptions.NoSuchChange):
        zone.client.get_change(Id="C0000000000000")
    with pytest.raises(zone.client.exceptions.InvalidInput):
        zone.change(("CREATE", {"Name": "no-ttl.example.com", "Type": "A", "ResourceRecords": [{"Value": "192.0.2.1"}]}))


def test_throttling_is_retried_by_botocores_own_retries_and_told_when_they_run_out(sandbox):
    patient = sandbox.client(retries={"mode": "standard", "max_attempts": 3})
    sandbox.fault("throttle:2")
    answer = patient.list_hosted_zones()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    sandbox.fault("throttle:1")
    with pytest.raises(ClientError) as refusal:
        sandbox.client(retries={"total_max_attempts": 1}).list_hosted_zones()
    assert refusal.value.response["Error"] == {"Type": "Sender", "Code": "Throttling", "Message": "Rate exceeded"}
    sandbox.fault("prior-request:1")
    change = Zone(patient).change(("CREATE", record("busy.example.com", "A", "192.0.2.1")))
    assert change["Status"] == "PENDING"


def test_boto3_takes_its_credentials_from_the_instances_role_and_from_nowhere_else(sandbox):
    found = sandbox.session().get_credentials()
    assert found.method == "iam-role"
    assert found.get_frozen_credentials().access_key == sandbox.role_credentials()["AccessKeyId"]
    sandbox.control("PUT", "/sandbox/instance", json.dumps({"role": None}))
    assert sandbox.session().get_credentials() is None


def test_a_wrong_secret_and_an_old_date_are_refused_in_awss_words(start_sandbox):
    sandbox = start_sandbox("--keys")
    key_id, secret = sandbox.env["AWS_ACCESS_KEY_ID"], sandbox.env["AWS_SECRET_ACCESS_KEY"]

    def refused(secret):
        with pytest.raises(ClientError) as refusal:
            sandbox.client(boto3.session.Session(key_id, secret)).list_hosted_zones()
        return refusal.value.response["Error"]

    assert sandbox.client(boto3.session.Session(key_id, secret)).list_hosted_zones()["HostedZones"]
    error = refused("another")
    assert error["Code"] == "SignatureDoesNotMatch" and "The Canonical String" in error["Message"]
    sandbox.fault("clock:+20m")
    error = refused(secret)
    assert error["Code"] == "SignatureDoesNotMatch" and error["Message"].startswith("Signature expired: ")


@pytest.fixture
def aws(tmp_path):
    """Runs the AWS CLI, and reads the JSON that it prints."""

    def call(sandbox, *arguments):
        environment = plain_environment(tmp_path) | sandbox.env | {"AWS_PAGER": ""}
        done = run(["aws", "--output", "json", "route53", *arguments], environment, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return call


def test_the_aws_cli_lists_changes_and_waits_over_tls_with_the_role_alone(start_sandbox, aws):
    sandbox = start_sandbox("--tls")
    assert not any("KEY" in name for name in sandbox.env)
    [zone] = aws(sandbox, "list-hosted-zones-by-name", "--dns-name", "example.com")["HostedZones"]
    changes = json.dumps(batch(("UPSERT", record("cli.example.com", "TXT", '"say \\"hi\\""'))))
    info = aws(sandbox, "change-resource-record-sets", "--hosted-zone-id", zone["Id"], "--change-batch", changes)
    aws(sandbox, "wait", "resource-record-sets-changed", "--id", info["ChangeInfo"]["Id"])
    records = aws(sandbox, "list-resource-record-sets", "--hosted-zone-id", zone["Id"])["ResourceRecordSets"]
    assert [(s["Name"], s["Type"]) for s in records] == [
        ("example.com.", "NS"),
        ("example.com.", "SOA"),
        ("cli.example.com.", "TXT"),
    ]
    assert records[-1]["ResourceRecords"] == [{"Value": '"say \\"hi\\""'}]


def test_the_aws_cli_says_why_a_batch_was_refused(sandbox, tmp_path):
    environment = plain_environment(tmp_path) | sandbox.env
    zone = Zone(sandbox.client()).id
    changes = json.dumps(batch(("CREATE", record("example.com", "CNAME", "a.example"))))
    command = ["change-resource-record-sets", "--hosted-zone-id", zone, "--change-batch", changes]
    done = run(["aws", "route53", *command], environment, timeout=60)
    assert done.returncode > 0
    assert "(InvalidChangeBatch)" in done.stderr and "not permitted at apex" in done.stderr


def answered(output):
    """The status of dig's answer, and its records as (name, ttl, type, value)."""
    status = re.search(r"status: (\w+)", output)[1]
    lines = [line.split(None, 4) for line in output.splitlines() if line and not line.startswith(";")]
    return status, [(name, int(ttl), kind, value) for name, ttl, _, kind, value in lines]


def test_dig_gets_each_type_of_record_over_udp_and_tcp(sandbox, zone):
    zone.change(
        ("CREATE", record("www.example.com", "CNAME", "a.example.com", ttl=30)),
        ("CREATE", record("a.example.com", "A", "192.0.2.1", "192.0.2.2")),
        ("CREATE", record("six.example.com", "AAAA", "2001:DB8:0::53")),
        ("CREATE", record("txt.example.com", "TXT", '"with \\"quotes\\"" "and more"')),
        ("CREATE", record("*.wild.example.com", "CNAME", "anywhere.example.net")),
    )
    for transport in ("+notcp", "+tcp"):
        status, records = answered(sandbox.dig(transport, "www.example.com", "A"))
        assert status == "NOERROR"
        assert records[0] == ("www.example.com.", 30, "CNAME", "a.example.com.")
        assert sorted(records[1:]) == [
            ("a.example.com.", 60, "A", "192.0.2.1"),
            ("a.example.com.", 60, "A", "192.0.2.2"),
        ]
    alone = answered(sandbox.dig("WWW.Example.COM", "CNAME"))[1]
    assert [(name.lower(), ttl, kind, value) for name, ttl, kind, value in alone] == records[:1]
    assert answered(sandbox.dig("six.example.com", "AAAA"))[1] == [("six.example.com.", 60, "AAAA", "2001:db8::53")]
    text = [("txt.example.com.", 60, "TXT", '"with \\"quotes\\"" "and more"')]
    assert answered(sandbox.dig("txt.example.com", "TXT"))[1] == text
    soa = answered(sandbox.dig("example.com", "SOA"))[1]
    assert [record[2] for record in soa] == ["SOA"] and "awsdns" in soa[0][3]
    wild = answered(sandbox.dig("any.wild.example.com", "CNAME"))[1]
    assert wild == [("any.wild.example.com.", 60, "CNAME", "anywhere.example.net.")]


def test_dig_is_told_what_is_not_there_with_the_zones_soa(sandbox):
    absent = sandbox.dig("nothing.example.com", "A")
    assert "status: NXDOMAIN" in absent and re.search(r"AUTHORITY: 1,", absent) and "SOA" in absent
    assert re.search(r"flags: qr aa", absent), "it speaks with authority"
    nodata = sandbox.dig("example.com", "A")
    assert "status: NOERROR" in nodata and "ANSWER: 0" in nodata and "SOA" in nodata
    assert "status: REFUSED" in sandbox.dig("example.org", "A")


def test_many_values_are_cut_short_over_udp_and_whole_over_tcp(sandbox, zone):
    values = [f"192.0.2.{n}" for n in range(1, 201)]
    zone.change(("CREATE", record("many.example.com", "A", *values)))
    cut = sandbox.dig("+notcp", "+ignore", "+bufsize=512", "many.example.com", "A")
    assert re.search(r"flags: qr aa tc", cut)
    whole = answered(sandbox.dig("+bufsize=512", "many.example.com", "A"))[1]
    assert len(whole) == 200


def curl(sandbox, path, *options):
    command = ["curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}", *options]
    done = run([*command, sandbox.metadata + path], {})
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_curl_gets_metadata_with_a_token_and_nothing_without(sandbox):
    public_hostname = "/latest/meta-data/public-hostname"
    ttl = "X-aws-ec2-metadata-token-ttl-seconds: "
    assert curl(sandbox, public_hostname)[0] == 401
    assert curl(sandbox, public_hostname, "-H", "X-aws-ec2-metadata-token: made-up")[0] == 401
    assert curl(sandbox, "/latest/api/token", "-X", "PUT")[0] == 400
    assert curl(sandbox, "/latest/api/token", "-X", "PUT", "-H", ttl + "21601")[0] == 400
    assert curl(sandbox, "/latest/api/token", "-X", "PUT", "-H", ttl + "60", "-H", "X-Forwarded-For: a")[0] == 403
    status, token = curl(sandbox, "/latest/api/token", "-X", "PUT", "-H", ttl + "60")
    assert status == 200
    with_token = "-H", f"X-aws-ec2-metadata-token: {token}"
    assert curl(sandbox, public_hostname, *with_token) == (200, HOST)
    status, page = curl(sandbox, "/latest/meta-data/tags/instance/Name", *with_token)
    assert status == 404 and "<html" in page
    status, listing = curl(sandbox, "/latest/meta-data/", *with_token)
    assert status == 200 and {"instance-id", "iam/", "placement/"} <= set(listing.split("\n"))
