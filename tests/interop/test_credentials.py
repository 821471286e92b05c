"""Holds pin53's credential chain against botocore's: the same files, environment and neighbours, and the same
credentials come of them. What is compared is a signature, which key id, secret and token all go into.

Where the two differ, the case stands in DIFFERENT, with the reason.
"""

import datetime
import hashlib
import json
import os

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import botocore.tokens
import pytest
from aws_neighbours import Neighbours
from peers import in_environment, plain_environment, run

URL = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08"
AT = datetime.datetime(2026, 11, 21, 10, 0, 0, tzinfo=datetime.timezone.utc)
FAILS = "fails"


def pair(name, token=False):
    lines = f"aws_access_key_id = AKIA{name}\naws_secret_access_key = sentinel/{name}+x=\n"
    return lines + (f"aws_session_token = sentinel-{name}\n" if token else "")


def env_pair(name, token=False):
    keys = {"AWS_ACCESS_KEY_ID": f"AKIA{name}", "AWS_SECRET_ACCESS_KEY": f"sentinel/{name}+x="}
    return keys | ({"AWS_SESSION_TOKEN": f"sentinel-{name}"} if token else {})


def role(name):
    return f"role_arn = arn:aws:iam::123456789012:role/{name}\n"


def sso_token(key, end="2030-01-01T00:00:00Z"):
    name = hashlib.sha1(key.encode()).hexdigest()
    return {f".aws/sso/cache/{name}.json": json.dumps({"accessToken": f"sentinel-{key}", "expiresAt": end})}


def renewable(end="2020-01-01T00:00:00Z", registered="2030-01-01T00:00:00Z", refresh="sentinel-refresh"):
    [(name, text)] = sso_token("corp", end).items()
    more = {"clientId": "client-1", "clientSecret": "sentinel-client", "registrationExpiresAt": registered}
    more |= {"startUrl": START, "region": "eu-west-1", "refreshToken": refresh}
    return {name: json.dumps(json.loads(text) | more)}


def program(text, status=0):
    return f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n"


def printed(**changes):
    keys = {"Version": 1, "AccessKeyId": "ASIAPRINTED", "SecretAccessKey": "sentinel", "SessionToken": "sentinel-t"}
    return program(json.dumps({name: value for name, value in (keys | changes).items() if value is not None}))


START = "https://d-1.awsapps.com/start"
SSO_ROLE = "sso_account_id = 123456789012\nsso_role_name = Dns Admin\n"
SSO_LEGACY = f"[profile a]\nsso_start_url = {START}\nsso_region = eu-west-1\n{SSO_ROLE}"
SSO_SESSION = (
    f"[profile a]\nsso_session = corp\n{SSO_ROLE}[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = {START}\n"
)
A = {"AWS_PROFILE": "a"}
B = f"[profile b]\n{pair('B')}"
PROCESS = "[profile a]\ncredential_process = {home}/bin/keys\n"
WEB = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pod", "AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token"}
TOKEN = {"token": "sentinel.jwt"}
FULL = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/task?x=1"}
NO_ROLE = {"role": None}

# name: what is given (env, config, credentials, files, neighbours).
SAME = {
    # The environment.
    "env": dict(env=env_pair("E")),
    "env with token": dict(env=env_pair("E", True)),
    "env with the token's old name": dict(env=env_pair("E") | {"AWS_SECURITY_TOKEN": "sentinel-old"}),
    "env over the default profile": dict(env=env_pair("E"), credentials=f"[default]\n{pair('D')}"),
    "env over AWS_PROFILE": dict(env=env_pair("E") | A, config=f"[profile a]\n{pair('A')}"),
    "env over web identity": dict(env=env_pair("E") | WEB, files=TOKEN),
    "env over a container": dict(env=env_pair("E") | FULL),
    "env over the instance": dict(env=env_pair("E", True)),
    "env with half a pair": dict(env={"AWS_ACCESS_KEY_ID": "AKIAE"}, fails=True),
    "env with blank keys": dict(
        env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, credentials=f"[default]\n{pair('D')}"
    ),
    "env that ends later": dict(env=env_pair("E") | {"AWS_CREDENTIAL_EXPIRATION": "2030-01-01T00:00:00Z"}),
    # Profile files.
    "default in the credentials file": dict(credentials=f"[default]\n{pair('D')}"),
    "default in the config file": dict(config=f"[default]\n{pair('D')}"),
    "default with the prefix": dict(config=f"[profile default]\n{pair('D')}"),
    "default with token": dict(credentials=f"[default]\n{pair('D', True)}"),
    "credentials file over config file": dict(config=f"[default]\n{pair('C')}", credentials=f"[default]\n{pair('D')}"),
    "profile in the config file": dict(env=A, config=f"[profile a]\n{pair('A')}"),
    "profile in the credentials file": dict(env=A, credentials=f"[a]\n{pair('A')}"),
    "profile by AWS_DEFAULT_PROFILE": dict(env={"AWS_DEFAULT_PROFILE": "a"}, credentials=f"[a]\n{pair('A')}"),
    "profile with a tab": dict(env=A, config=f"[profile\ta]\n{pair('A')}"),
    "profile with spaces around": dict(env={"AWS_PROFILE": "a.b/c"}, config=f"[profile   a.b/c]\n{pair('A')}"),
    "profile names keep their case": dict(env={"AWS_PROFILE": "A"}, credentials=f"[A]\n{pair('U')}[a]\n{pair('L')}"),
    "keys in any case": dict(env=A, config=f"[profile a]\n{pair('A').upper().replace('SENTINEL', 'sentinel')}"),
    "windows lines": dict(credentials=f"[default]\n{pair('D')}".replace("\n", "\r\n")),
    "comment lines": dict(credentials=f"# one\n; two\n[default]\n# three\n{pair('D')}; four\n"),
    "other sections": dict(config=f"[plugins]\nx = y\n[default]\n{pair('D')}[services s]\nroute_53 =\n  endpoint_url = x\n"),
    "nested properties before": dict(config=f"[default]\ns3 =\n  max_concurrent_requests = 20\n{pair('D')}"),
    "elsewhere by variables": dict(
        env={"AWS_CONFIG_FILE": "{home}/c", "AWS_SHARED_CREDENTIALS_FILE": "~/k"} | A,
        files={"c": "[profile a]\nregion = eu-west-1\n", "k": f"[a]\n{pair('K')}"},
        credentials=f"[a]\n{pair('A')}",
    ),
    "files that aren't there": dict(env={"AWS_CONFIG_FILE": "{home}/no", "AWS_SHARED_CREDENTIALS_FILE": "/no/no"}),
    "a profile that isn't there": dict(env={"AWS_PROFILE": "nowhere"}, credentials=f"[a]\n{pair('A')}", fails=True),
    "a profile without credentials": dict(env=A, config="[profile a]\nregion = eu-west-1\n"),
    "half a pair in a profile": dict(credentials="[default]\naws_access_key_id = AKIAD\n", fails=True),
    "a broken file": dict(credentials="[default]\naws_access_key_id\n", fails=True),
    "a property before all sections": dict(credentials=f"{pair('D')}", fails=True),
    # Roles.
    "role of a source profile": dict(env=A, config=f"[profile a]\n{role('x')}source_profile = b\n{B}"),
    "role of a source with token": dict(
        env=A, config=f"[profile a]\n{role('x')}source_profile = b\n", credentials=f"[b]\n{pair('B', True)}"
    ),
    "role with session name": dict(
        env=A, config=f"[profile a]\n{role('x')}source_profile = b\nrole_session_name = me@work\n{B}"
    ),
    "role with external id": dict(env=A, config=f"[profile a]\n{role('x')}source_profile = b\nexternal_id = a/b:c\n{B}"),
    "role with duration": dict(env=A, config=f"[profile a]\n{role('x')}source_profile = b\nduration_seconds = 900\n{B}"),
    "role of its own keys": dict(env=A, config=f"[profile a]\n{role('x')}source_profile = a\n{pair('A')}"),
    "role beside keys": dict(env=A, config=f"[profile a]\n{role('x')}source_profile = b\n{pair('A')}{B}"),
    "role of the default profile": dict(config=f"[default]\n{role('x')}source_profile = b\n{B}"),
    "role in the credentials file": dict(credentials=f"[default]\n{role('x')}source_profile = b\n[b]\n{pair('B')}"),
    "roles in a chain": dict(
        env=A,
        config=f"[profile a]\n{role('x')}source_profile = c\n[profile c]\n{role('y')}source_profile = b\n{B}",
    ),
    "a chain that ends at keys": dict(
        env=A,
        config=f"[profile a]\n{role('x')}source_profile = c\n[profile c]\n{role('y')}{pair('C')}source_profile = b\n{B}",
    ),
    "a circle": dict(
        env=A,
        config=f"[profile a]\n{role('x')}source_profile = c\n[profile c]\n{role('y')}source_profile = a\n",
        fails=True,
    ),
    "a role of itself without keys": dict(env=A, config=f"[profile a]\n{role('x')}source_profile = a\n", fails=True),
    "a source that isn't there": dict(env=A, config=f"[profile a]\n{role('x')}source_profile = no\n", fails=True),
    "a source without credentials": dict(
        env=A, config=f"[profile a]\n{role('x')}source_profile = c\n[profile c]\nregion = x\n", fails=True
    ),
    "no source": dict(env=A, config=f"[profile a]\n{role('x')}", fails=True),
    "two sources": dict(
        env=A, config=f"[profile a]\n{role('x')}source_profile = b\ncredential_source = Environment\n{B}", fails=True
    ),
    "an unknown source": dict(env=A, config=f"[profile a]\n{role('x')}credential_source = Moon\n", fails=True),
    "role of the instance": dict(env=A, config=f"[profile a]\n{role('x')}credential_source = Ec2InstanceMetadata\n"),
    "role of no instance": dict(
        env=A,
        config=f"[profile a]\n{role('x')}credential_source = Ec2InstanceMetadata\n",
        neighbours=NO_ROLE,
        fails=True,
    ),
    "role of a container": dict(env=A | FULL, config=f"[profile a]\n{role('x')}credential_source = EcsContainer\n"),
    "role of an empty environment": dict(
        env=A, config=f"[profile a]\n{role('x')}credential_source = Environment\n", fails=True
    ),
    "role denied": dict(env=A, config=f"[profile a]\n{role('denied')}source_profile = b\n{B}", fails=True),
    # Web identity.
    "web identity": dict(env=WEB, files=TOKEN),
    "web identity with session name": dict(env=WEB | {"AWS_ROLE_SESSION_NAME": "pod-1"}, files=TOKEN),
    "web identity over default keys": dict(env=WEB, files=TOKEN, credentials=f"[default]\n{pair('D')}"),
    "web identity over a profile's keys": dict(env=WEB | A, files=TOKEN, credentials=f"[a]\n{pair('A')}"),
    "web identity under a profile's role": dict(
        env=WEB | A, files=TOKEN, config=f"[profile a]\n{role('x')}source_profile = b\n{B}"
    ),
    "web identity over a container": dict(env=WEB | FULL, files=TOKEN),
    "web identity of a profile": dict(
        env=A, files=TOKEN, config=f"[profile a]\n{role('x')}web_identity_token_file = {{home}}/token\n"
    ),
    "web identity of a profile with session name": dict(
        env=A,
        files=TOKEN,
        config=f"[profile a]\n{role('x')}web_identity_token_file = {{home}}/token\nrole_session_name = me\n",
    ),
    "web identity with the profile's role": dict(
        env={"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token"},
        files=TOKEN,
        config=f"[default]\n{role('x')}web_identity_token_file = /nowhere\n",
    ),
    "web identity as a source": dict(
        env=A,
        files=TOKEN,
        config=f"[profile a]\n{role('x')}source_profile = c\n[profile c]\n{role('y')}"
        "web_identity_token_file = {home}/token\n",
    ),
    "web identity without a role": dict(env={"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token"}, files=TOKEN, fails=True),
    "web identity without a token": dict(env=WEB, fails=True),
    # Programs.
    "a program": dict(env=A, config=PROCESS, files={"bin/keys": printed()}),
    "a program without token": dict(env=A, config=PROCESS, files={"bin/keys": printed(SessionToken=None)}),
    "a program with an end": dict(env=A, config=PROCESS, files={"bin/keys": printed(Expiration="2030-01-01T00:00:00Z")}),
    "a program with quotes": dict(
        env=A,
        config="[profile a]\ncredential_process = {home}/bin/\"my keys\" 'a b' c\\ d\n",
        files={"bin/my keys": '#!/bin/sh\n[ "$1$2" = "a bc d" ] || exit 1\n' + printed().split("\n", 1)[1]},
    ),
    "a program over config keys": dict(env=A, config=f"{PROCESS}{pair('A')}", files={"bin/keys": printed()}),
    "a program under the credentials file": dict(
        env=A, config=PROCESS, credentials=f"[a]\n{pair('A')}", files={"bin/keys": printed()}
    ),
    "a program as a source": dict(
        env={"AWS_PROFILE": "r"}, config=f"{PROCESS}[profile r]\n{role('x')}source_profile = a\n", files={"bin/keys": printed()}
    ),
    "a program that fails": dict(env=A, config=PROCESS, files={"bin/keys": program("", 3)}, fails=True),
    "a program of another version": dict(env=A, config=PROCESS, files={"bin/keys": printed(Version=2)}, fails=True),
    "a program without a secret": dict(
        env=A, config=PROCESS, files={"bin/keys": printed(SecretAccessKey=None)}, fails=True
    ),
    "a program that isn't there": dict(env=A, config=PROCESS, fails=True),
    # SSO.
    "sso by session": dict(env=A, config=SSO_SESSION, files=sso_token("corp")),
    "sso by start url": dict(env=A, config=SSO_LEGACY, files=sso_token(START)),
    "sso over keys": dict(env=A, config=f"{SSO_LEGACY}{pair('A')}", files=sso_token(START)),
    "sso as a source": dict(
        env={"AWS_PROFILE": "r"},
        config=f"[profile r]\n{role('x')}source_profile = a\n{SSO_SESSION}",
        files=sso_token("corp"),
    ),
    "sso that has ended": dict(env=A, config=SSO_LEGACY, files=sso_token(START, "2020-01-01T00:00:00Z"), fails=True),
    "sso to be renewed": dict(env=A, config=SSO_SESSION, files=renewable()),
    "sso with an ended registration": dict(
        env=A, config=SSO_SESSION, files=renewable(registered="2020-01-01T00:00:00Z"), fails=True
    ),
    "sso with a refused renewal": dict(
        env=A, config=SSO_SESSION, files=renewable(refresh="sentinel-ended"), fails=True
    ),
    "sso without a token": dict(env=A, config=SSO_LEGACY, fails=True),
    "sso half set up": dict(env=A, config="[profile a]\nsso_role_name = x\n", fails=True),
    "sso with an unknown session": dict(env=A, config=f"[profile a]\nsso_session = no\n{SSO_ROLE}", fails=True),
    # Containers.
    "a container": dict(env=FULL),
    "a container with a token": dict(env=FULL | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic sentinel"}),
    "a container with a token file": dict(
        env=FULL
        | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "sentinel-no"},
        files=TOKEN,
    ),
    "a container under a profile": dict(env=FULL, credentials=f"[default]\n{pair('D')}"),
    "a container over the instance": dict(env=FULL),
    "a container's token with a line break": dict(
        env=FULL | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token"}, files={"token": "sentinel\n"}, fails=True
    ),
    "a container elsewhere": dict(env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/x"}, fails=True),
    "a container asked twice": dict(env=FULL, neighbours={"statuses": [503]}),
    # The instance.
    "the instance": dict(),
    "an instance without a role": dict(neighbours=NO_ROLE, fails=True),
    "metadata switched off": dict(env={"AWS_EC2_METADATA_DISABLED": "true"}, fails=True),
    "metadata named by a profile": dict(
        drop=["AWS_EC2_METADATA_SERVICE_ENDPOINT"], config="[default]\nec2_metadata_service_endpoint = {url}\n"
    ),
    "sts named by a profile": dict(
        env=A,
        drop=["AWS_ENDPOINT_URL_STS"],
        config=f"[profile a]\nendpoint_url = {{url}}\n{role('x')}source_profile = b\n{B}",
    ),
    "sts named by a services section": dict(
        env=A,
        drop=["AWS_ENDPOINT_URL_STS"],
        config=f"[profile a]\nservices = s\n{role('x')}source_profile = b\n{B}[services s]\nsts =\n  endpoint_url = {{url}}\n",
    ),
}

D = f"[default]\n{pair('D')}"
# name: what is given, whether botocore and pin53 find credentials, and why that isn't the same.
DIFFERENT = {
    "both profile variables": (
        dict(env=A | {"AWS_DEFAULT_PROFILE": "b"}, credentials=f"[a]\n{pair('A')}[b]\n{pair('B')}"),
        (True, True),
        "AWS_PROFILE goes first, as in all other SDKs",
    ),
    "both token variables": (
        dict(env=env_pair("E", True) | {"AWS_SECURITY_TOKEN": "sentinel-old"}),
        (True, True),
        "AWS_SESSION_TOKEN goes first, as in all other SDKs",
    ),
    "a secret without its id": (
        dict(env={"AWS_SECRET_ACCESS_KEY": "sentinel"}, credentials=D),
        (True, False),
        "half a pair stops, whichever half it is",
    ),
    "environment keys and no such profile": (
        dict(env=env_pair("E") | {"AWS_PROFILE": "nowhere"}),
        (False, True),
        "keys of the environment beat AWS_PROFILE, which then need not be there",
    ),
    "a comment behind a value": (
        dict(credentials="[default]\naws_access_key_id = AKIAD # c\naws_secret_access_key = sentinel ; c\n"),
        (True, True),
        "the common grammar ends a value at white space and a comment sign",
    ),
    "[default] and [profile default]": (
        dict(config=f"[profile default]\n{pair('P')}[default]\n{pair('D')}"),
        (True, True),
        "the common grammar lets the prefix win; botocore lets the last",
    ),
    "a profile that stands twice": (
        dict(credentials=f"[default]\n{pair('D')}[default]\n{pair('E')}"),
        (False, True),
        "the common grammar merges them",
    ),
    "a property that stands twice": (
        dict(credentials=f"[default]\n{pair('D')}{pair('E')}"),
        (False, True),
        "in the common grammar the last counts",
    ),
    "a colon for an equals sign": (
        dict(credentials="[default]\naws_access_key_id: AKIAD\naws_secret_access_key: sentinel\n"),
        (True, False),
        "the common grammar knows '=' alone",
    ),
    "a byte order mark": (dict(credentials=f"\ufeff{D}"), (False, True), "it is passed over"),
    "a prefix in the credentials file": (
        dict(env={"AWS_PROFILE": "profile a"}, credentials=f"[profile a]\n{pair('A')}"),
        (True, False),
        "a name has no spaces in the common grammar",
    ),
    "a quoted name": (
        dict(env={"AWS_PROFILE": "my a"}, config=f'[profile "my a"]\n{pair("A")}'),
        (True, False),
        "a name has no spaces in the common grammar",
    ),
    "a pair over two files": (
        dict(config="[default]\naws_secret_access_key = sentinel\n", credentials="[default]\naws_access_key_id = AKIAD\n"),
        (False, True),
        "in the common grammar the files are one",
    ),
    "a duration that is none": (
        dict(env=A, config=f"[profile a]\n{role('x')}source_profile = b\nduration_seconds = 1h\n{B}"),
        (True, False),
        "what can't be is told and not passed over",
    ),
    "a token file that ends in a line break": (
        dict(env=WEB, files={"token": "sentinel.jwt\n"}),
        (True, True),
        "the line break is no part of the token",
    ),
}


@pytest.fixture
def setting(tmp_path):
    """Makes a case's world, and gives its environment."""
    started = []

    def make(given):
        neighbours = Neighbours(**given.get("neighbours", {}))
        started.append(neighbours)
        home = tmp_path / "home"
        home.mkdir()

        def filled(text):
            return text.replace("{home}", str(home)).replace("{url}", neighbours.url)

        files = dict(given.get("files", {}))
        for name in ("config", "credentials"):
            if name in given:
                files[f".aws/{name}"] = given[name]
        for name, text in files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(filled(text).encode())
            path.chmod(0o755 if text.startswith("#!") else 0o600)
        variables = neighbours.env | {name: filled(value) for name, value in given.get("env", {}).items()}
        for name in given.get("drop", []):
            del variables[name]
        return plain_environment(home) | variables

    yield make
    for neighbours in started:
        neighbours.end()


def botocore_signs(environment, monkeypatch):
    """The `Authorization` of botocore with what it finds, or `FAILS`."""
    cache = os.path.join(environment["HOME"], ".aws", "sso", "cache")
    monkeypatch.setattr(botocore.credentials.SSOProvider, "_SSO_TOKEN_CACHE_DIR", cache)
    monkeypatch.setattr(botocore.tokens, "_SSO_TOKEN_CACHE_DIR", cache, raising=False)
    monkeypatch.setattr(botocore.tokens.SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", cache, raising=False)
    with in_environment(environment):
        try:
            credentials = botocore.session.Session().get_credentials()
            frozen = credentials and credentials.get_frozen_credentials()
        except Exception:
            return FAILS
    if not frozen:
        return FAILS
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: AT)
    request = botocore.awsrequest.AWSRequest(method="GET", url=URL)
    botocore.auth.SigV4Auth(frozen, "iam", "us-east-1").add_auth(request)
    return request.headers["Authorization"]


def pin53_signs(binary, environment):
    """The same of pin53, and what it says."""
    command = [binary, "sign", "--scheme", "sigv4", "--service", "iam", "--region", "us-east-1"]
    done = run([*command, "--at", AT.strftime("%Y-%m-%dT%H:%M:%SZ"), "--json", URL], environment)
    assert "sentinel" not in done.stderr and "panicked" not in done.stderr, done
    if done.returncode:
        assert done.returncode in (75, 77, 78) and done.stderr.startswith("error: "), done
        return FAILS, done.stderr
    headers = {name.lower(): value for name, value in json.loads(done.stdout)["headers"]}
    return headers["authorization"], done.stderr


@pytest.mark.parametrize("name", SAME)
def test_the_same_credentials_come_of_the_same_set_up(name, pin53_binary, setting, monkeypatch):
    given = SAME[name]
    environment = setting(given)
    wanted = botocore_signs(environment, monkeypatch)
    found, said = pin53_signs(pin53_binary, environment)
    assert (wanted == FAILS) == given.get("fails", False), wanted
    assert found == wanted, said


def test_a_token_that_pin53_has_renewed_is_one_for_botocore(pin53_binary, setting, monkeypatch):
    environment = setting(dict(env=A, config=SSO_SESSION, files=renewable()))
    found, said = pin53_signs(pin53_binary, environment)
    assert found != FAILS, said
    assert botocore_signs(environment, monkeypatch) == found
    [(name, _)] = renewable().items()
    path = os.path.join(environment["HOME"], name)
    with open(path) as file:
        cached = json.load(file)
    assert cached["refreshToken"] == "sentinel-next" and cached["clientId"] == "client-1"
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", DIFFERENT)
def test_where_they_differ_it_is_for_a_reason(name, pin53_binary, setting, monkeypatch):
    given, found, reason = DIFFERENT[name]
    environment = setting(given)
    theirs = botocore_signs(environment, monkeypatch)
    ours, said = pin53_signs(pin53_binary, environment)
    assert (theirs != FAILS, ours != FAILS) == found, said
    assert reason and ours != theirs


def test_the_table_is_as_large_as_it_has_to_be():
    assert len(SAME) >= 60
