"""The policy of `pin53 policy`, judged by an evaluator that isn't ours against the calls that pin53 really makes.

What was called is read off the wire, and botocore's model of Route 53 tells which operation each call is. PMapper's
simulator then says whether the policy permits it. Terraform's and CloudFormation's forms are read by python-hcl2 and
cfn-lint.
"""

import collections
import collections.abc
import http.client
import http.server
import json
import re
import subprocess
import threading
import xml.etree.ElementTree as ElementTree

import botocore.session
import hcl2
import pytest
from peers import PATIENCE

# The simulator was last released for a Python in which these stood here too.
collections.Mapping = collections.abc.Mapping
collections.MutableMapping = collections.abc.MutableMapping

from principalmapper.querying.local_policy_simulation import policy_has_matching_statement  # noqa: E402
from principalmapper.util.case_insensitive_dict import CaseInsensitiveDict  # noqa: E402

PREFIX = "route53:ChangeResourceRecordSets"
NAMES, TYPES, ACTIONS = (PREFIX + key for key in ("NormalizedRecordNames", "RecordTypes", "Actions"))
XML = "{https://route53.amazonaws.com/doc/2013-04-01/}"

Call = collections.namedtuple("Call", "action resource keys")


def operations():
    """Method and pattern of the path of each operation, the longest first."""
    model = botocore.session.get_session().get_service_model("route53")
    for name in model.operation_names:
        asked = model.operation_model(name).http
        path = re.escape(asked["requestUri"].split("?")[0].rstrip("/"))
        yield name, asked["method"], re.sub(r"\\{[^}]*\\}", "([^/]+)", path) + "/?"


OPERATIONS = sorted(operations(), key=lambda operation: -len(operation[2]))


def call(method, target, body):
    path = target.split("?")[0]
    for name, its_method, pattern in OPERATIONS:
        if method == its_method and (found := re.fullmatch(pattern, path)):
            kind = "change" if name == "GetChange" else "hostedzone"
            resource = f"arn:aws:route53:::{kind}/{found[1]}" if found.groups() else "*"
            return Call(f"route53:{name}", resource, keys(body) if name == "ChangeResourceRecordSets" else {})
    raise AssertionError(f"no operation of Route 53: {method} {target}")


def keys(body):
    """What Route 53 hands to IAM of a batch."""
    changes = list(ElementTree.fromstring(body).iter(f"{XML}Change"))
    texts = lambda tag: sorted({change.find(f".//{XML}{tag}").text for change in changes})
    names = [name.lower().rstrip(".").replace("*", "\\052") for name in texts("Name")]
    return {NAMES: names, TYPES: texts("Type"), ACTIONS: texts("Action")}


@pytest.fixture
def wire(sandbox):
    """Stands between pin53 and the sandbox's Route 53, and writes down what is called."""
    calls, host = [], sandbox.api.removeprefix("http://")

    class Relay(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path != "/date":
                calls.append(call(self.command, self.path, body))
            behind = http.client.HTTPConnection(host, timeout=PATIENCE)
            behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for header, value in self.headers.items():
                behind.putheader(header, value)
            behind.endheaders(body)
            answer = behind.getresponse()
            text = answer.read()
            self.send_response(answer.status)
            for header, value in answer.getheaders():
                if header.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(header, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            behind.close()

        do_GET = do_POST = relay

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"AWS_ENDPOINT_URL_ROUTE_53": f"http://127.0.0.1:{server.server_port}"}, calls
    server.shutdown()
    server.server_close()


def permits(policy, call):
    return policy_has_matching_statement(policy, "Allow", call.action, call.resource, CaseInsensitiveDict(call.keys))


CONFIGURATIONS = {
    "a name": '[[record]]\nname = "vpn.example.com"\n',
    "a zone by its id": '[[record]]\nname = "vpn.example.com"\nzone = "{zone}"\n',
    "several names": '[[record]]\nname = "A.example.com."\ntype = "A"\n[[record]]\nname = "b.example.com"\n',
    "an owner": '[[record]]\nname = "vpn.example.com"\nowner = "me"\n',
    "a wildcard": '[[record]]\nname = "*.dev.example.com"\n',
    "replacing": '[[record]]\nname = "old.example.com"\non_conflict = "replace"\nowner = "me"\n',
    "metadata in the name": '[[record]]\nname = "{{{{ instance_id }}}}.example.com"\nowner = "me"\ntype = "A"\n',
    "a member": '[[record]]\nname = "m.example.com"\ntype = "A"\n'
    'routing = {{ set_identifier = "{{{{ instance_id }}}}", weight = 1 }}\n',
}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_policy_permits_what_is_called_and_nothing_beside_it(pin53, sandbox, wire, tmp_path, configuration):
    by_wire, calls = wire
    client = sandbox.client()
    zone = client.list_hosted_zones()["HostedZones"][0]["Id"].removeprefix("/hostedzone/")
    old = {"Name": "old.example.com", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": old}]}
    client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
    file = tmp_path / "pin53.toml"
    file.write_text(CONFIGURATIONS[configuration].format(zone=zone))
    environment = sandbox.env | by_wire

    printed = pin53(sandbox.env, "policy", "--config", str(file))
    assert printed.returncode == 0, printed
    policy = json.loads(printed.stdout)
    assert calls == []
    for address in ("203.0.113.99", "203.0.113.98"):
        ran = pin53(environment, "--once", "--config", str(file))
        assert ran.returncode == 0 and "changed" in ran.stdout, ran
        sandbox.move(f"ec2-{address.replace('.', '-')}.eu-west-1.compute.amazonaws.com", address)

    refused = [call for call in calls if not permits(policy, call)]
    assert refused == [] and any(call.keys for call in calls), calls
    # Each statement is there for a call.
    for statement in policy["Statement"]:
        assert any(permits({"Statement": [statement]}, call) for call in calls), statement
    # One step aside of each change there is nothing.
    for change in (call for call in calls if call.keys):
        for beside in (
            change._replace(keys=change.keys | {NAMES: ["www.example.com"]}),
            change._replace(keys=change.keys | {NAMES: [*change.keys[NAMES], "www.example.com"]}),
            change._replace(keys=change.keys | {NAMES: ["sub." + name for name in change.keys[NAMES]]}),
            change._replace(keys=change.keys | {TYPES: ["MX"]}),
            change._replace(keys=change.keys | {ACTIONS: ["UPSERT"]}),
            change._replace(resource=change.resource + "0"),
            change._replace(action="route53:DeleteHostedZone"),
        ):
            assert not permits(policy, beside), beside


GIVEN = ("policy", "--name", "*.dev.example.com", "--name", "vpn.example.com", "--zone", "Z0123456789EXAMPLE")


def test_terraform_reads_the_policy(pin53, sandbox):
    document = json.loads(pin53(sandbox.env, *GIVEN).stdout)
    text = pin53(sandbox.env, *GIVEN, "--format", "terraform").stdout
    read = hcl2.loads(text)
    plain = lambda value: json.loads(value) if isinstance(value, str) and value.startswith('"') else value
    (source,) = read["data"]
    (statements,) = [s[next(iter(s))]["statement"] for s in source.values()]
    assert [plain(s["sid"]) for s in statements] == [s["Sid"] for s in document["Statement"]]
    conditions = {plain(c["variable"]): [plain(v) for v in c["values"]] for s in statements for c in s.get("condition", [])}
    (wanted,) = [s["Condition"]["ForAllValues:StringEquals"] for s in document["Statement"] if "Condition" in s]
    assert conditions == wanted


def test_cloudformation_takes_the_policy(pin53, sandbox, tmp_path):
    template = tmp_path / "policy.json"
    template.write_text(pin53(sandbox.env, *GIVEN, "--format", "cloudformation").stdout)
    linted = subprocess.run(["cfn-lint", template], capture_output=True, text=True, timeout=120)
    assert linted.returncode == 0, linted.stdout
