"""Holds what pin53 reads off the names of AWS's hosts against what botocore knows of every service."""

import json
import subprocess

import botocore.session
from peers import plain_environment

REGIONS = ("us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1")
# One host for all regions, whose tokens aren't SigV4's.
LEFT_OUT = {"codecatalyst"}


def test_region_and_service_are_those_that_botocore_signs_for(pin53_binary, tmp_path):
    session = botocore.session.Session()
    session.set_credentials("AKID", "secret")
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
    scopes = {}
    for service in sorted(set(session.get_available_services()) - LEFT_OUT):
        for region in REGIONS:
            try:
                client = session.create_client(service, region_name=region)
            except Exception:  # not in that partition
                continue
            scope = f"{client._request_signer.region_name}/{client.meta.service_model.signing_name}"
            scopes.setdefault(client.meta.endpoint_url, set()).add(scope)
    assert len(scopes) > 1000
    told = [url for url in scopes if len(scopes[url]) == 1]
    # A process each: of all the services that have a name of their own, and of a sample of the rest.
    odd = [url for url in told if url.split("//")[1].split(".")[0] != next(iter(scopes[url])).split("/")[1]]
    wrong = {}
    for url in {*odd, *told[::20]}:
        done = subprocess.run([pin53_binary, "sign", "--scheme", "sigv4", "--json", url],
                              env=plain_environment(tmp_path) | keys, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, (url, done.stderr)
        scope = json.loads(done.stdout)["string_to_sign"].split("\n")[2].split("/")
        if "/".join(scope[1:3]) not in scopes[url]:
            wrong[url] = scope[1:3], scopes[url]
    assert not wrong
