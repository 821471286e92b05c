"""What starts instances: the Terraform module, the CloudFormation template, and the user data of both.

Terraform itself formats and evaluates, all but the resources, which would need Amazon's provider: python-hcl2 reads
those. cfn-lint and moto judge the template.
"""

import ast
import base64
import json
import re
import shutil
import subprocess

import boto3
import hcl2
import pytest
import yaml
from conftest import DEPLOY, user_data
from peers import Moto, in_environment, plain_environment

NAMES = ["vpn.example.com", "*.dev.example.com"]
ZONE = "Z0123456789EXAMPLE"
URL = "https://packages.example.com/pin53.deb?X-Amz-Signature=0f&X-Amz-Expires=60"
SHA256 = "0123456789abcdef" * 4
MODULE = DEPLOY / "terraform"
TEMPLATE = DEPLOY / "cloudformation" / "pin53.yaml"


def policy(names, kind="CNAME"):
    """The policy that deploy/iam shows, for these names of a zone that is known."""
    policy = json.loads((DEPLOY / "iam" / "policy.json").read_text())
    policy["Statement"] = [only for only in policy["Statement"] if only["Sid"] != "FindTheHostedZone"]
    (change,) = [only for only in policy["Statement"] if only["Sid"] == "ChangeTheRecord"]
    changed = change["Condition"]["ForAllValues:StringEquals"]
    changed["route53:ChangeResourceRecordSetsNormalizedRecordNames"] = names
    changed["route53:ChangeResourceRecordSetsRecordTypes"] = [kind]
    return policy


def by_hand(names, kind="CNAME"):
    values = {"Names": ",".join(names), "Type": kind, "ZoneId": ZONE, "PackageUrl": URL, "PackageSha256": SHA256}
    return yaml.safe_load(user_data(**values))


def terraform(*arguments, cwd, stdin=None):
    command = ["terraform", *arguments]
    environment = plain_environment(cwd) | {"CHECKPOINT_DISABLE": "1"}
    return subprocess.run(command, env=environment, cwd=cwd, input=stdin, capture_output=True, text=True)


@pytest.fixture
def evaluate(tmp_path):
    """An expression of the module's, by Terraform, with the parts that need no provider."""
    if not shutil.which("terraform"):
        pytest.skip("terraform isn't on PATH, and no package registry has it")
    shutil.copytree(DEPLOY / "cloud-init", tmp_path / "cloud-init")
    module = tmp_path / "terraform"
    module.mkdir()
    for file in ("variables.tf", "locals.tf"):
        shutil.copy(MODULE / file, module)

    def evaluate(expression, **variables):
        variables = {"names": NAMES, "zone_id": ZONE, "package_url": URL, "package_sha256": SHA256} | variables
        (module / "terraform.tfvars.json").write_text(json.dumps(variables))
        ended = terraform("console", cwd=module, stdin=f"jsonencode({expression})")
        return json.loads(json.loads(ended.stdout)) if ended.returncode == 0 and ended.stdout else ended.stderr

    return evaluate


def test_terraform_would_format_nothing():
    if not shutil.which("terraform"):
        pytest.skip("terraform isn't on PATH, and no package registry has it")
    ended = terraform("fmt", "-check", "-diff", cwd=MODULE)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_module_grants_what_pin53_needs_and_nothing_else(evaluate):
    assert evaluate("local.policy") == policy(["vpn.example.com", "\\052.dev.example.com"])
    assert evaluate("local.policy", names=["a.example.com"], type="A") == policy(["a.example.com"], "A")


def test_names_are_granted_in_the_form_that_route_53_compares(evaluate):
    assert evaluate("local.policy", names=["*.Dev.Example.COM."]) == policy(["\\052.dev.example.com"])


def test_the_modules_user_data_is_what_a_person_would_fill_in(evaluate):
    assert yaml.safe_load(evaluate("local.user_data")) == by_hand(NAMES)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("names", [], "at least one DNS name"),
        ("names", ["a'b.example.com"], "without spaces, commas, quotes"),
        ("type", "TXT", "CNAME, A or AAAA"),
        ("zone_id", "/hostedzone/Z1", "bare id"),
        ("package_url", "http://packages.example.com/pin53.deb", "https://"),
        ("package_sha256", "abc", "64 hexadecimal digits"),
    ],
)
def test_the_module_refuses_a_wrong_value(evaluate, variable, value, expected):
    said = evaluate("local.user_data", **{variable: value})
    assert isinstance(said, str), said
    assert expected in " ".join(re.sub("[│╷╵]", " ", said).split()), said


def blocks(text, kind):
    """The blocks of a kind in an HCL text, by their labels joined with a dot."""
    found = {}
    for block in hcl2.loads(text).get(kind, []):
        labels = []
        # What isn't the body yet is keyed by a label alone.
        while "__is_block__" not in block:
            ((label, block),) = block.items()
            labels.append(label.strip('"'))
        found[".".join(labels)] = {key: value for key, value in block.items() if not key.startswith("__")}
    return found


def test_the_module_refers_to_what_is_there():
    text = "\n".join(file.read_text() for file in MODULE.glob("*.tf"))
    code = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    assert set(re.findall(r"\bvar\.(\w+)", code)) == set(blocks(text, "variable"))
    assert set(re.findall(r"\blocal\.(\w+)", code)) == set(blocks(text, "locals")[""])
    assert set(re.findall(r"\b(aws_\w+\.\w+)\.", code)) <= set(blocks(text, "resource"))


def test_the_example_gives_what_has_no_default_and_takes_what_is_put_out():
    module = "\n".join(file.read_text() for file in MODULE.glob("*.tf"))
    readme = (MODULE / "README.md").read_text()
    (example,) = re.findall(r"```hcl\n(.*?)```", readme, re.S)
    required = {name for name, body in blocks(module, "variable").items() if "default" not in body}
    assert set(blocks(example, "module")["pin53"]) == required | {"source"}
    taken = re.findall(r"\bmodule\.pin53\.(\w+)", example)
    taken += re.search(r"outputs `(\w+)` and `(\w+)`", readme).groups()
    assert set(taken) <= set(blocks(module, "output"))


def test_cfn_lint_finds_nothing():
    ended = subprocess.run(["cfn-lint", TEMPLATE], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout


@pytest.fixture(scope="module")
def amazon(tmp_path_factory):
    """Clients of moto, with the stack on it."""
    moto = Moto(tmp_path_factory.mktemp("moto"))
    with in_environment(plain_environment(moto.home) | moto.env | {"AWS_ENDPOINT_URL": moto.env["AWS_ENDPOINT_URL_ROUTE_53"]}):
        session = boto3.session.Session()
        clients = {service: session.client(service) for service in ("cloudformation", "iam", "ec2")}
    values = {"Names": ",".join(NAMES[:1]), "ZoneId": ZONE, "PackageUrl": URL, "PackageSha256": SHA256}
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    clients["cloudformation"].create_stack(
        StackName="pin53",
        TemplateBody=TEMPLATE.read_text(),
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM"],
    )
    (stack,) = clients["cloudformation"].describe_stacks(StackName="pin53")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    clients["outputs"] = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    yield clients
    moto.end()


def test_the_stack_grants_what_pin53_needs_and_nothing_else(amazon):
    role = amazon["outputs"]["RoleName"]
    (name,) = amazon["iam"].list_role_policies(RoleName=role)["PolicyNames"]
    granted = amazon["iam"].get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    # Moto keeps what a template holds as Python writes it.
    assert ast.literal_eval(granted) == policy(NAMES[:1])
    assert amazon["iam"].list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


def test_instances_of_the_stack_have_its_role_and_user_data_and_only_imdsv2(amazon):
    template = amazon["outputs"]["LaunchTemplateId"]
    (version,) = amazon["ec2"].describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
    data = version["LaunchTemplateData"]
    text = base64.b64decode(data["UserData"])
    assert yaml.safe_load(text) == by_hand(NAMES[:1])
    assert text.startswith(b"#cloud-config\n")
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    profile = amazon["iam"].get_instance_profile(InstanceProfileName=amazon["outputs"]["InstanceProfileName"])
    assert data["IamInstanceProfile"]["Arn"] == profile["InstanceProfile"]["Arn"]
    roles = [role["RoleName"] for role in profile["InstanceProfile"]["Roles"]]
    assert roles == [amazon["outputs"]["RoleName"]]
