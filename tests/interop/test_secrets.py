"""Judges that no secret shows in what pin53 prints and logs, at the most talkative, however a run ends."""

import signal

import pytest
from peers import waited_for

NAME = "vpn.example.com"
SENTINELS = {
    "AWS_ACCESS_KEY_ID": "AKIASENTINEL",
    "AWS_SECRET_ACCESS_KEY": "sentinel-secret",
    "AWS_SESSION_TOKEN": "sentinel-token",
}
# What only a signature's own header holds.
SIGNATURES = ("Signature=", "AWSAccessKeyId=")


def said(done):
    return done.stdout + done.stderr


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("signing", ["aws3-https", "sigv4"])
def test_secrets_of_the_role_are_not_told_on_success(pin53, sandbox, form, signing):
    role = sandbox.role_credentials()
    talkative = sandbox.env | {"PIN53_LOG": "trace", "PIN53_LOG_FORMAT": form}
    for _ in range(2):
        done = pin53(talkative, "--once", "--name", NAME, "--signing", signing, "--wait", "off")
        assert done.returncode == 0 and len(done.stderr) > 200, done
        # Every metadata token of the sandbox begins like this.
        for secret in (role["SecretAccessKey"], role["Token"], "AQAEA", *SIGNATURES):
            assert secret not in said(done)
        sandbox.move("ec2-203-0-113-99.compute-1.amazonaws.com")


def test_keys_of_the_environment_are_not_told_on_success(pin53, moto, sandbox):
    client = moto.client()
    zone = client.create_hosted_zone(Name="secret.example", CallerReference="secrets")["HostedZone"]["Id"]
    environment = moto.env | {"AWS_EC2_METADATA_SERVICE_ENDPOINT": sandbox.metadata, "PIN53_LOG": "trace"}
    names = ["--name", "vpn.secret.example", "--zone", zone.removeprefix("/hostedzone/")]
    done = pin53(environment, "--once", *names, "--signing", "sigv4")
    assert done.returncode == 0, done
    assert "sentinel" not in said(done)


@pytest.mark.parametrize("signing", ["auto", "aws3-https", "sigv4"])
def test_keys_that_are_refused_are_not_told_but_by_their_id(pin53, sandbox, signing):
    talkative = sandbox.env | SENTINELS | {"PIN53_LOG": "trace"}
    done = pin53(talkative, "--once", "--name", NAME, "--signing", signing)
    assert done.returncode == 77, done
    assert "sentinel-" not in said(done) and not any(text in said(done) for text in SIGNATURES)


@pytest.mark.parametrize("signing", ["aws3-https", "sigv4"])
def test_a_signature_that_is_refused_shows_neither_itself_nor_the_token(pin53, start_sandbox, signing):
    sandbox = start_sandbox("--keys")
    wrong = SENTINELS | {"AWS_ACCESS_KEY_ID": sandbox.env["AWS_ACCESS_KEY_ID"], "PIN53_LOG": "trace"}
    done = pin53(sandbox.env | wrong, "--once", "--name", NAME, "--signing", signing)
    assert done.returncode == 77 and "SignatureDoesNotMatch" in said(done), done
    assert "sentinel-" not in said(done) and not any(text in said(done) for text in SIGNATURES)


def test_keys_are_not_told_when_route_53_is_not_trusted_or_the_settings_are_wrong(pin53, sandbox, start_sandbox):
    tls = start_sandbox("--tls")
    talkative = sandbox.env | SENTINELS | {"PIN53_LOG": "trace"}
    for broken, status in (
        ({"AWS_ENDPOINT_URL_ROUTE_53": tls.api}, 75),
        ({"AWS_ENDPOINT_URL_ROUTE_53": "no url"}, 78),
        ({"AWS_CA_BUNDLE": "/nowhere"}, 78),
        ({"AWS_SESSION_TOKEN": "sentinel-\ntoken"}, 78),
        ({"AWS_ACCESS_KEY_ID": ""}, 78),
    ):
        done = pin53(talkative | broken, "--once", "--name", NAME)
        assert done.returncode == status, done
        assert "sentinel-" not in said(done), broken


EVERYTHING = """
interval = "1s"
watch = "1s"

[[record]]
name = "a.example.com"
type = "A"
source = ["https://127.0.0.1:9/ip?key=sentinel-url", "command:sh -c 'echo 198.51.100.7 # sentinel-argument'"]
owner = "me"
on_conflict = "replace"
on_stop = "withdraw"

[[record]]
name = "b.example.com"
type = "A"
source = ["http:{hooks}/ip?key=sentinel-url", "command:/nowhere/program --key sentinel-argument"]
routing = {{ set_identifier = "{{{{ instance_id }}}}", weight = 10 }}

[[record]]
name = "vpn.example.com"
on_terminate = "withdraw"

[[record]]
name = "elsewhere.example.org"

[[notify]]
on = ["changed", "failed", "recovered"]
failed_for = "0s"
webhook = "{hooks}/services/sentinel-url?token=sentinel-url"
headers = {{ Authorization = "Bearer sentinel-header" }}
template = "{{{{ message }}}} sentinel-template"

[[notify]]
on = ["changed", "failed"]
failed_for = "0s"
webhook_file = "{home}/url"
preset = "slack"

[[notify]]
webhook = "http://127.0.0.1:9/sentinel-url"
key = "key"
secret_file = "{home}/secret"

[[notify]]
webhook_file = "nowhere"

[[notify]]
lambda = "told"

[[notify]]
sns = "arn:aws:sns:eu-west-1:123456789012:told"

[[notify]]
command = "sh -c 'exit 1 # sentinel-argument'"
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_daemon_with_everything_tells_no_secret_in_its_log_its_output_or_its_state(
    start_daemon, sandbox, hooks, tmp_path, form
):
    (tmp_path / "url").write_text(f"{hooks.url}/sentinel-url")
    (tmp_path / "secret").write_text("sentinel-secret-of-gateway")
    settings = tmp_path / "pin53.toml"
    settings.write_text(EVERYTHING.format(hooks=hooks.url, home=tmp_path))
    role = sandbox.role_credentials()
    elsewhere = {"AWS_ENDPOINT_URL_LAMBDA": hooks.url, "AWS_ENDPOINT_URL_SNS": "http://127.0.0.1:9"}
    talkative = sandbox.env | elsewhere | {"PIN53_LOG": "trace", "PIN53_LOG_FORMAT": form}
    talkative["STATE_DIRECTORY"] = str(tmp_path / "state")
    daemon = start_daemon(talkative, "--config", str(settings))
    waited_for(lambda: sandbox.dig("+short", NAME, "CNAME"))
    waited_for(lambda: len(hooks.got) > 6)
    sandbox.fault("access-denied:3")
    sandbox.move("ec2-203-0-113-99.compute-1.amazonaws.com")
    settings.write_text(settings.read_text() + 'wbhook = "sentinel-of-a-slip"\nheaders = "sentinel-of-a-slip"\n')
    daemon.process.send_signal(signal.SIGHUP)
    waited_for(lambda: "the old settings stay" in daemon.logged())
    waited_for(lambda: "could not notify" in daemon.logged())
    sandbox.fault("expired-token")
    sandbox.move("ec2-203-0-113-98.compute-1.amazonaws.com")
    waited_for(lambda: "113-98" in sandbox.dig("+short", NAME, "CNAME"))
    status, _ = daemon.stop()
    assert status == 0
    state = "".join(path.read_text() for path in (tmp_path / "state").rglob("*") if path.is_file())
    told = daemon.logged() + daemon.process.stdout.read() + state
    assert len(told) > 5000 and "told" in state, "it is talkative, and remembers"
    for secret in ("sentinel", role["SecretAccessKey"], role["Token"], "AQAEA", *SIGNATURES):
        [*found] = [line for line in told.splitlines() if secret in line]
        assert not found, found[:3]
