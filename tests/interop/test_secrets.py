"""Judges that no secret shows in what pin53 prints and logs, at the most talkative, however a run ends."""

import pytest

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
