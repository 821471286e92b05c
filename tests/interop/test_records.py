"""Judges members of routed sets: on the Route 53 of moto and of ministack, and by boto3 on the sandbox.

Both hold members apart by their identifiers, and refuse a DELETE or CREATE that doesn't fit as far as these stories go. Neither
is asked what Route 53 refuses: moto lets policies be mixed and a CNAME stand beside others.
"""

import pytest
from test_moto import environment, zone  # noqa: F401

NAME = "vpn.moto.example"
POLICIES = {
    "multivalue": ("multivalue = true", {"MultiValueAnswer": True}),
    "weighted": ("weight = 10", {"Weight": 10}),
}


def settings(tmp_path, name, routing, more=""):
    path = tmp_path / "pin53.toml"
    path.write_text(
        f'[aws]\nsigning = "sigv4"\n[[record]]\nname = "{name}"\ntype = "A"\n{more}\n'
        f'routing = {{ set_identifier = "{{{{ instance_id }}}}", {routing} }}\n'
    )
    return ["--once", "--wait", "off", "--config", str(path)]


def members(client, zone, name):
    sets = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {s["SetIdentifier"]: s for s in sets if s["Name"] == name + "." and s["Type"] == "A"}


def other(name, policy):
    values = [{"Value": "192.0.2.1"}]
    return {"Name": name, "Type": "A", "SetIdentifier": "i-other", "TTL": 60, "ResourceRecords": values} | policy


def judge(client, zone, name, policy, run, move):
    """One member is created beside another, left alone, and moved; the other stays."""
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": other(name, policy)}]}
    client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
    for before, after in (("(none)", "198.51.100.7"), ("198.51.100.7", "203.0.113.99")):
        changed = run()
        assert changed.stdout == f"changed {name} A {before} -> {after} (ttl 60)\n", changed
        unchanged = run()
        assert unchanged.stdout == f"unchanged {name} A {after} (ttl 60)\n", unchanged
        there = members(client, zone, name)
        assert sorted(there) == ["i-0123456789abcdef0", "i-other"]
        own = there["i-0123456789abcdef0"]
        assert own["ResourceRecords"] == [{"Value": after}] and policy.items() <= own.items()
        assert there["i-other"]["ResourceRecords"] == [{"Value": "192.0.2.1"}]
        move()


@pytest.mark.parametrize("kind", POLICIES)
def test_a_member_is_kept_beside_another_on_motos_route_53(pin53, moto, sandbox, environment, zone, tmp_path, kind):  # noqa: F811
    routing, policy = POLICIES[kind]
    arguments = settings(tmp_path, NAME, routing)
    move = lambda: sandbox.move("ec2-203-0-113-99.eu-west-1.compute.amazonaws.com")
    judge(moto.client(), zone, NAME, policy, lambda: pin53(environment, *arguments), move)


@pytest.mark.parametrize("kind", POLICIES)
def test_a_member_is_kept_beside_another_on_ministack(pin53, ministack, sandbox, tmp_path, kind):
    routing, policy = POLICIES[kind]
    client, name = ministack.client(), f"{kind}.mini.example"
    made = client.create_hosted_zone(Name="mini.example", CallerReference=kind)["HostedZone"]["Id"]
    zone_id = made.removeprefix("/hostedzone/")
    arguments = settings(tmp_path, name, routing, f'owner = "me"\nzone = "{zone_id}"')
    environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": sandbox.metadata} | ministack.env
    move = lambda: sandbox.move("ec2-203-0-113-99.eu-west-1.compute.amazonaws.com")
    judge(client, made, name, policy, lambda: pin53(environment, *arguments), move)


@pytest.mark.parametrize("kind", POLICIES)
def test_boto3_reads_on_the_sandbox_what_pin53_keeps(pin53, sandbox, tmp_path, kind):
    routing, policy = POLICIES[kind]
    name = "vpn.example.com"
    client = sandbox.client()
    [found] = client.list_hosted_zones()["HostedZones"]
    arguments = settings(tmp_path, name, routing, 'owner = "me"')
    move = lambda: sandbox.move("ec2-203-0-113-99.eu-west-1.compute.amazonaws.com")
    judge(client, found["Id"], name, policy, lambda: pin53(sandbox.env, *arguments), move)
    sets = client.list_resource_record_sets(HostedZoneId=found["Id"])["ResourceRecordSets"]
    [marker] = [s for s in sets if s["Type"] == "TXT"]
    assert marker["Name"] == "a-vpn.example.com." and policy.items() <= marker.items()
