"""What starts instances: the Terraform module, the CloudFormation template, and the user data of both.

Terraform itself formats and evaluates, all but the resources, which would need Amazon's provider: python-hcl2 reads
those. cfn-lint and moto judge the template.
"""

import ast
import base64
import functools
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


@pytest.fixture
def policy(pin53):
    """What pin53 says that it needs for names."""

    def policy(names, kind="CNAME"):
        named = [word for name in names for word in ("--name", name)]
        ended = pin53("policy", "--format", "json", *named, "--type", kind, "--zone", ZONE)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return policy


def by_hand(names, kind="CNAME"):
    values = {"Names": ",".join(names), "Type": kind, "ZoneId": ZONE, "PackageUrl": URL, "PackageSha256": SHA256}
    return yaml.safe_load(user_data(**values))


@pytest.fixture
def terraform(tmp_path):
    if not shutil.which("terraform"):
        pytest.skip("terraform isn't on PATH, and no package registry has it")

    def terraform(*arguments, cwd=MODULE, stdin=""):
        environment = plain_environment(tmp_path) | {"CHECKPOINT_DISABLE": "1"}
        command = ["terraform", *arguments]
        return subprocess.run(command, env=environment, cwd=cwd, input=stdin, capture_output=True, text=True)

    return terraform


class Module:
    """Those parts of the module that need no provider, with values for its variables."""

    def __init__(self, terraform, home, values):
        shutil.copytree(DEPLOY / "cloud-init", home / "cloud-init")
        here = home / "terraform"
        here.mkdir()
        for file in ("variables.tf", "locals.tf"):
            shutil.copy(MODULE / file, here)
        (here / "terraform.tfvars.json").write_text(json.dumps(values))
        self.terraform = functools.partial(terraform, cwd=here)

    def value(self, expression):
        ended = self.terraform("console", stdin=f"jsonencode({expression})")
        assert ended.returncode == 0, ended.stderr
        return json.loads(json.loads(ended.stdout))

    def fault(self):
        ended = self.terraform("plan", "-no-color", "-input=false")
        assert ended.returncode != 0, ended.stdout
        return " ".join(ended.stderr.replace("│", " ").split())


@pytest.fixture
def module(terraform, tmp_path):
    def module(**values):
        required = {"names": NAMES, "zone_id": ZONE, "package_url": URL, "package_sha256": SHA256}
        return Module(terraform, tmp_path / "module", required | values)

    return module


def test_terraform_would_format_nothing(terraform):
    ended = terraform("fmt", "-check", "-diff")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (NAMES, "CNAME"),
        (["a.example.com"], "AAAA"),
        (["*.Dev.Example.COM."], "A"),
        (["vpn.example.com", "{{ instance_id }}.example.com", "{{tags.Name}}.Example.com."], "CNAME"),
    ],
)
def test_the_module_grants_what_pin53_says_that_it_needs(module, policy, names, kind):
    assert module(names=names, type=kind).value("local.policy") == policy(names, kind)


def test_the_modules_user_data_is_what_a_person_would_fill_in(module):
    assert yaml.safe_load(module().value("local.user_data")) == by_hand(NAMES)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("names", [], "at least one DNS name"),
        ("names", ["a'b.example.com"], "without commas, quotes and backslashes"),
        ("names", ["a b.example.com"], "without spaces outside"),
        ("type", "TXT", "CNAME, A or AAAA"),
        ("zone_id", "/hostedzone/Z1", "bare id"),
        ("package_url", "http://packages.example.com/pin53.deb", "https://"),
        ("package_sha256", "abc", "64 hexadecimal digits"),
    ],
)
def test_the_module_refuses_a_wrong_value(module, variable, value, expected):
    assert expected in module(**{variable: value}).fault()


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
    taken += re.search(r"outputs `(\w+)`\s+and\s+`(\w+)`", readme).groups()
    assert set(taken) <= set(blocks(module, "output"))


def test_cfn_lint_finds_nothing():
    ended = subprocess.run(["cfn-lint", TEMPLATE], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout


class Stack:
    """A stack of the template on moto."""

    def __init__(self, amazon, name, **values):
        values = {"ZoneId": ZONE, "PackageUrl": URL, "PackageSha256": SHA256} | values
        amazon["cloudformation"].create_stack(
            StackName=name,
            TemplateBody=TEMPLATE.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        (stack,) = amazon["cloudformation"].describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self.amazon = amazon

    def granted(self):
        iam, role = self.amazon["iam"], self.outputs["RoleName"]
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        # Moto keeps what a template holds as Python writes it.
        return ast.literal_eval(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])


@pytest.fixture(scope="module")
def amazon(tmp_path_factory):
    """Clients of moto."""
    moto = Moto(tmp_path_factory.mktemp("moto"))
    everything = {"AWS_ENDPOINT_URL": moto.env["AWS_ENDPOINT_URL_ROUTE_53"]}
    with in_environment(plain_environment(moto.home) | moto.env | everything):
        session = boto3.session.Session()
        yield {service: session.client(service) for service in ("cloudformation", "iam", "ec2")}
    moto.end()


@pytest.fixture(scope="module")
def stack(amazon):
    return Stack(amazon, "pin53", Names="vpn.example.com")


def test_the_stack_grants_what_pin53_says_that_it_needs(stack, policy):
    assert stack.granted() == policy(["vpn.example.com"])


def test_names_that_the_metadata_fills_in_are_granted_as_patterns(amazon, policy):
    names = ["{{ instance_id }}.example.com"]
    stack = Stack(amazon, "patterns", Names=names[0], NamePatterns="i-*.example.com")
    assert stack.granted() == policy(names)


def test_instances_of_the_stack_have_its_role_and_user_data_and_only_imdsv2(amazon, stack):
    template = stack.outputs["LaunchTemplateId"]
    (version,) = amazon["ec2"].describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
    data = version["LaunchTemplateData"]
    text = base64.b64decode(data["UserData"])
    assert text.startswith(b"#cloud-config\n")
    assert yaml.safe_load(text) == by_hand(["vpn.example.com"])
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    profile = amazon["iam"].get_instance_profile(InstanceProfileName=stack.outputs["InstanceProfileName"])
    assert data["IamInstanceProfile"]["Arn"] == profile["InstanceProfile"]["Arn"]
    assert [role["RoleName"] for role in profile["InstanceProfile"]["Roles"]] == [stack.outputs["RoleName"]]
