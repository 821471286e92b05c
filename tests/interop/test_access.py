"""Judges how a run ends by how its credentials were set up, that no secret is told on the way, and which way requests
take: through a proxy, or never through one."""

import socket
import threading

import pytest
from aws_neighbours import Neighbours

NAME = "vpn.example.com"
ROLE = "arn:aws:iam::123456789012:role/dns"
SOURCE = "[b]\naws_access_key_id = AKIAB\naws_secret_access_key = sentinel\n"


@pytest.fixture
def neighbours():
    made = Neighbours(statuses=[])
    yield made
    made.end()


@pytest.fixture
def files(tmp_path):
    """Writes the profile files, and gives the variables that name them."""

    def write(text):
        path = tmp_path / "aws"
        path.write_text(text)
        return {"AWS_SHARED_CREDENTIALS_FILE": str(path), "AWS_CONFIG_FILE": "/dev/null"}

    return write


ENDS = {
    "a profile that isn't there": (78, "", {"AWS_PROFILE": "nowhere"}, "AWS_PROFILE: expected profile 'nowhere'"),
    "a profile of ours that isn't there": (78, "", {"PIN53_AWS__PROFILE": "nowhere"}, "[aws] profile: expected"),
    "half a pair": (78, "", {"AWS_ACCESS_KEY_ID": "AKIASENTINEL"}, "AWS_SECRET_ACCESS_KEY: expected beside"),
    "a broken file": (78, "[a]\nsentinel\n", {"AWS_PROFILE": "a"}, "line 2: expected '='"),
    "a circle": (
        78,
        f"[a]\nrole_arn = {ROLE}\nsource_profile = b\n[b]\nrole_arn = {ROLE}\nsource_profile = a\n",
        {"AWS_PROFILE": "a"},
        "found a circle: a -> b -> a",
    ),
    "a token file that isn't there": (
        78,
        "",
        {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token"},
        "AWS_WEB_IDENTITY_TOKEN_FILE: could not read /nowhere/token",
    ),
    "a custom endpoint with fips": (78, "", {"AWS_USE_FIPS_ENDPOINT": "true"}, "doesn't go together with FIPS"),
    "a custom endpoint with dual stack": (
        78,
        "[default]\nuse_dualstack_endpoint = true\n",
        {},
        "doesn't go together with dual stack",
    ),
    "a container elsewhere": (78, "", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/x"}, "expected https"),
    "a role that is denied": (
        77,
        f"[a]\nrole_arn = {ROLE}-denied\nsource_profile = b\n{SOURCE}",
        {"AWS_PROFILE": "a", "AWS_ENDPOINT_URL_STS": "{url}"},
        "STS answered AccessDenied (403)",
    ),
    "a program that fails": (
        77,
        "[a]\ncredential_process = /bin/sh -c 'echo sentinel; echo sentinel >&2; exit 4'\n",
        {"AWS_PROFILE": "a"},
        "/bin/sh ended with exit status: 4",
    ),
    "an sso token that isn't there": (
        77,
        "[a]\nsso_start_url = https://x\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = x\n",
        {"AWS_PROFILE": "a"},
        "run `aws sso login --profile a`",
    ),
    "an sts that isn't there": (
        75,
        f"[a]\nrole_arn = {ROLE}\nsource_profile = b\n{SOURCE}",
        {"AWS_PROFILE": "a", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"},
        "STS can't be reached",
    ),
    "a container that isn't there": (
        75,
        "",
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/x"},
        "the container's credentials could not be read",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_run_ends_as_its_credentials_were_set_up(case, pin53, sandbox, neighbours, files):
    status, text, variables, told = ENDS[case]
    variables = {name: value.replace("{url}", neighbours.url) for name, value in variables.items()}
    done = pin53(sandbox.env | files(text) | variables | {"PIN53_LOG": "trace"}, "--once", "--name", NAME)
    said = done.stdout + done.stderr
    assert done.returncode == status and told in said and "sentinel" not in said, done
    assert sandbox.stats()["route53"]["requests"] == 0


def test_an_instance_without_a_role_and_without_keys_is_not_permitted(pin53, sandbox):
    sandbox.control("PUT", "/sandbox/instance", '{"role": null}')
    done = pin53(sandbox.env, "--once", "--name", NAME)
    assert done.returncode == 77 and "the instance has none" in done.stdout, done


def test_a_role_is_assumed_on_the_sandbox_and_told_by_boto3_to_be_who_it_is(pin53, sandbox):
    sts = sandbox.session().client("sts", endpoint_url=sandbox.env["AWS_ENDPOINT_URL_STS"], region_name="eu-west-1")
    assert sts.get_caller_identity()["Account"] == "123456789012"
    assumed = sts.assume_role(RoleArn=ROLE, RoleSessionName="me")
    assert assumed["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/dns/me"
    variables = {"PIN53_AWS__ASSUME_ROLE__ARN": ROLE, "PIN53_AWS__ASSUME_ROLE__EXTERNAL_ID": "x-1"}
    done = pin53(sandbox.env | variables, "--once", "--name", NAME, "--wait", "off")
    assert done.returncode == 0 and done.stdout.startswith("changed "), done


class Proxy:
    """Takes CONNECT, and notes who was asked for. Whatever else comes is noted too, and refused."""

    def __init__(self):
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.tunnel, args=(client,), daemon=True).start()

    def tunnel(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            part = client.recv(4096)
            if not part:
                return
            head += part
        method, target, _ = head.decode().split(" ", 2)
        self.asked.append((method, target))
        if method != "CONNECT":
            client.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            client.close()
            return
        host, port = target.rsplit(":", 1)
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=self.pump, args=(server, client), daemon=True)
        back.start()
        self.pump(client, server)

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        sink.close()

    def end(self):
        self.listener.close()


@pytest.fixture
def proxy():
    made = Proxy()
    yield made
    made.end()


def test_route_53_is_reached_through_the_proxy_and_the_metadata_never(pin53, start_sandbox, proxy):
    sandbox = start_sandbox("--tls")
    # A proxy for plain requests too: the metadata service is asked in plain.
    proxies = {"HTTPS_PROXY": proxy.url, "HTTP_PROXY": proxy.url, "http_proxy": proxy.url}
    variables = sandbox.env | {"PIN53_AWS__ASSUME_ROLE__ARN": ROLE}
    done = pin53(variables | proxies, "--once", "--name", NAME, "--wait", "off")
    assert done.returncode == 0, done
    aws = sandbox.api.removeprefix("https://")
    assert proxy.asked and set(proxy.asked) == {("CONNECT", aws)}, proxy.asked

    proxy.asked.clear()
    sandbox.move("ec2-203-0-113-77.compute-1.amazonaws.com")
    done = pin53(variables | proxies | {"NO_PROXY": "127.0.0.1"}, "--once", "--name", NAME, "--wait", "off")
    assert done.returncode == 0 and done.stdout.startswith("changed ") and proxy.asked == [], done


def test_a_container_is_never_asked_through_a_proxy(pin53, neighbours, proxy):
    variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{neighbours.url}/task", "AWS_EC2_METADATA_DISABLED": "true"}
    proxies = {"HTTPS_PROXY": proxy.url, "HTTP_PROXY": proxy.url, "http_proxy": proxy.url}
    done = pin53(variables | proxies, "sign", "--scheme", "sigv4", "https://iam.amazonaws.com/")
    assert done.returncode == 0 and neighbours.asked == ["GET /task"] and proxy.asked == [], done


def test_a_bundle_may_be_named_by_the_profile(pin53, start_sandbox, files):
    sandbox = start_sandbox("--tls")
    bundle = sandbox.env.pop("AWS_CA_BUNDLE")
    trusted = files(f"[default]\nca_bundle = {bundle}\n")
    done = pin53(sandbox.env | trusted, "--once", "--name", NAME, "--wait", "off")
    assert done.returncode == 0, done
    missing = files("[default]\nca_bundle = /nowhere.pem\n")
    done = pin53(sandbox.env | missing, "--once", "--name", NAME, "--wait", "off")
    assert done.returncode == 78 and "ca_bundle of profile 'default'" in done.stderr, done
