"""Judges one run of the release binary by its promises: output, JSON, exit status, and what is in DNS after it."""

import contextlib
import json
import socket

import jsonschema
import pytest

NAME = "vpn.example.com"
HOST = "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com"
MOVED = "ec2-203-0-113-99.eu-west-1.compute.amazonaws.com"

VALUES = {
    "type": ["object", "null"],
    "properties": {
        "values": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "ttl": {"type": "integer", "minimum": 0},
    },
    "required": ["values", "ttl"],
}
OUTCOMES = ["changed", "would_change", "unchanged", "left", "refused", "failed", "unconfirmed"]
REPORT = {
    "type": "object",
    "properties": {
        "records": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "pattern": r"[^.]$"},
                    "type": {"enum": ["CNAME", "A", "AAAA"]},
                    "outcome": {"enum": OUTCOMES},
                    "before": VALUES,
                    "after": VALUES,
                    "reason": {"type": ["string", "null"]},
                },
                "required": ["name", "type", "outcome", "before", "after", "reason"],
            },
        },
        "change_ids": {"type": "array", "items": {"type": "string", "pattern": "^C[A-Z0-9]+$"}},
        "requests": {"type": "integer", "minimum": 1},
    },
    "required": ["records", "change_ids", "requests"],
}


def once(pin53, environment, *arguments, name=NAME, wait="off"):
    return pin53(environment, "--once", "--name", name, "--wait", wait, *arguments)


def report(done):
    [line] = done.stdout.splitlines()
    document = json.loads(line)
    jsonschema.validate(document, REPORT)
    return document


def requests(sandbox):
    stats = sandbox.stats()
    return stats["imds"]["requests"] + stats["route53"]["requests"]


def cname(sandbox, name=NAME):
    return sandbox.dig("+short", name, "CNAME").strip().removesuffix(".")


@contextlib.contextmanager
def a_port_where_nobody_listens():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.parametrize("options", [[], ["--tls"]], ids=["http", "tls"])
@pytest.mark.parametrize("signing", ["auto", "aws3-https", "sigv4"])
def test_a_name_is_created_then_left_alone_then_follows_the_instance(pin53, start_sandbox, options, signing):
    sandbox = start_sandbox(*options)
    run = lambda: once(pin53, sandbox.env, "--signing", signing, wait="2m")
    created = run()
    assert (created.returncode, created.stdout) == (0, f"changed {NAME} CNAME (none) -> {HOST} (ttl 60)\n"), created
    assert cname(sandbox) == HOST
    unchanged = run()
    assert (unchanged.returncode, unchanged.stdout) == (0, f"unchanged {NAME} CNAME {HOST} (ttl 60)\n")
    sandbox.move(MOVED)
    moved = run()
    assert (moved.returncode, moved.stdout) == (0, f"changed {NAME} CNAME {HOST} -> {MOVED} (ttl 60)\n")
    assert cname(sandbox) == MOVED
    assert sandbox.stats()["route53"]["operations"]["ChangeResourceRecordSets"] == 2


def test_addresses_and_wildcards_are_pinned_as_names_are(pin53, sandbox):
    assert once(pin53, sandbox.env, "--type", "A", name="a.example.com").returncode == 0
    assert once(pin53, sandbox.env, "--type", "AAAA", "--ttl", "5", name="six.example.com.").returncode == 0
    assert once(pin53, sandbox.env, name="*.Dev.example.com").returncode == 0
    assert sandbox.dig("+short", "a.example.com", "A") == "198.51.100.7\n"
    assert sandbox.dig("+short", "six.example.com", "AAAA") == "2001:db8::53\n"
    assert cname(sandbox, "any.dev.example.com") == HOST
    assert once(pin53, sandbox.env, name="\\052.dev.example.com").stdout.startswith("unchanged *.dev.example.com CNAME")


def test_the_json_of_a_run_is_as_documented_and_counts_every_request(pin53, sandbox):
    before = requests(sandbox)
    created = report(once(pin53, sandbox.env, "--json"))
    assert created["requests"] == requests(sandbox) - before
    [record] = created["records"]
    assert record == {
        "name": NAME,
        "type": "CNAME",
        "outcome": "changed",
        "before": None,
        "after": {"values": [HOST], "ttl": 60},
        "reason": None,
    }
    assert len(created["change_ids"]) == 1
    unchanged = report(once(pin53, sandbox.env, "--json"))
    assert unchanged["records"][0]["outcome"] == "unchanged"
    assert unchanged["records"][0]["before"] == unchanged["records"][0]["after"] == record["after"]
    assert unchanged["change_ids"] == []


def test_a_plan_says_what_would_change_changes_nothing_and_can_say_so_by_its_status(pin53, sandbox):
    plan = lambda *options: pin53(sandbox.env, "plan", "--name", NAME, *options)
    would = f"would change {NAME} CNAME (none) -> {HOST} (ttl 60)\n"
    assert (plan().returncode, plan().stdout) == (0, would)
    pending = plan("--detailed-exit-code")
    assert (pending.returncode, pending.stdout) == (2, would)
    assert report(plan("--json"))["records"][0]["outcome"] == "would_change"
    dry = once(pin53, sandbox.env, "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, would)
    assert cname(sandbox) == "" and "ChangeResourceRecordSets" not in sandbox.stats()["route53"]["operations"]
    assert once(pin53, sandbox.env).returncode == 0
    assert plan("--detailed-exit-code").returncode == 0


def test_wrong_usage_ends_with_64(pin53, sandbox):
    for wrong in (["--frobnicate"], ["--ttl", "1m"], ["--signing", "md5"], ["--type", "MX"]):
        done = once(pin53, sandbox.env, *wrong)
        assert (done.returncode, done.stdout) == (64, ""), done
        assert done.stderr.startswith("error: ")
    assert requests(sandbox) == 0


def test_what_stands_in_the_way_ends_with_65_and_stays(pin53, sandbox):
    assert once(pin53, sandbox.env, "--type", "A").returncode == 0
    refused = once(pin53, sandbox.env)
    assert refused.returncode == 65 and refused.stdout.startswith(f"refused {NAME}: "), refused
    assert sandbox.dig("+short", NAME, "A") == "198.51.100.7\n"
    apex = once(pin53, sandbox.env, name="example.com")
    assert apex.returncode == 65 and apex.stdout.startswith("refused example.com: ")
    private = once(pin53, sandbox.env, "--type", "A", "--source", "imds:local-ipv4", name="private.example.com")
    assert private.returncode == 65 and "10.0.0.53" in private.stdout


def test_an_address_that_cannot_be_known_ends_with_75_and_leaves_the_record(pin53, sandbox):
    assert once(pin53, sandbox.env).returncode == 0
    sandbox.control("PUT", "/sandbox/instance", json.dumps({"public-hostname": None, "public-ipv4": None}))
    absent = once(pin53, sandbox.env)
    assert absent.returncode == 75 and absent.stdout.startswith(f"left {NAME}: "), absent
    with a_port_where_nobody_listens() as nowhere:
        silent = once(pin53, sandbox.env | {"AWS_EC2_METADATA_SERVICE_ENDPOINT": nowhere})
    assert silent.returncode == 75 and silent.stdout.startswith(f"left {NAME}: "), silent
    assert cname(sandbox) == HOST


def test_a_change_that_is_not_in_sync_in_time_ends_with_75_and_unconfirmed(pin53, start_sandbox):
    sandbox = start_sandbox("--fault", "slow-insync:1h")
    done = once(pin53, sandbox.env, wait="1s")
    assert done.returncode == 75 and done.stdout.startswith(f"unconfirmed {NAME}: "), done
    assert once(pin53, sandbox.env, name="other.example.com").returncode == 0


def test_throttling_and_a_lost_answer_are_weathered(pin53, sandbox):
    sandbox.fault("throttle:2")
    sandbox.fault("prior-request:1")
    sandbox.fault("lost-answer:1")
    done = once(pin53, sandbox.env)
    assert (done.returncode, done.stdout.split()[0]) == (0, "changed"), done
    assert cname(sandbox) == HOST


def test_credentials_that_are_refused_or_absent_end_with_77(pin53, sandbox):
    keys = {"AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "nobody's"}
    for signing in ("auto", "sigv4"):
        unknown = once(pin53, sandbox.env | keys, "--signing", signing)
        assert unknown.returncode == 77 and "InvalidClientTokenId" in unknown.stdout, unknown
    sandbox.fault("access-denied:always")
    denied = once(pin53, sandbox.env)
    assert denied.returncode == 77 and "AccessDenied" in denied.stdout, denied
    sandbox.control("DELETE", "/sandbox/fault")
    sandbox.control("PUT", "/sandbox/instance", json.dumps({"role": None}))
    none = once(pin53, sandbox.env)
    assert none.returncode == 77 and none.stdout.startswith(f"failed {NAME}: "), none
    assert cname(sandbox) == ""


def test_a_wrong_configuration_ends_with_78_and_names_what_is_wrong(pin53, sandbox, tmp_path):
    elsewhere = once(pin53, sandbox.env, name="vpn.example.org")
    assert elsewhere.returncode == 78 and "no hosted zone" in elsewhere.stdout, elsewhere
    misspelt = once(pin53, sandbox.env | {"PIN53_INTERVALL": "5m"})
    assert misspelt.returncode == 78 and "PIN53_INTERVALL" in misspelt.stderr and "PIN53_INTERVAL" in misspelt.stderr
    no_file = once(pin53, sandbox.env, "--config", str(tmp_path / "absent.toml"))
    assert no_file.returncode == 78 and "absent.toml" in no_file.stderr
    bundle = once(pin53, sandbox.env | {"AWS_CA_BUNDLE": str(tmp_path / "absent.pem")})
    assert bundle.returncode == 78 and "absent.pem" in bundle.stderr
    exposed = once(
        pin53, sandbox.env | {"AWS_ENDPOINT_URL_ROUTE_53": "http://192.0.2.1"}, "--signing", "aws3-https"
    )
    assert exposed.returncode == 78, exposed
    nothing = pin53(sandbox.env, "--once")
    assert nothing.returncode == 78 and "--name" in nothing.stderr


def test_of_several_names_each_is_told_and_the_gravest_gives_the_status(pin53, sandbox):
    names = ["--name", "vpn.example.org", "--name", "example.com", "--name", "good.example.com"]
    done = pin53(sandbox.env, "--once", *names)
    assert done.returncode == 78
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["failed", "refused", "changed"]
    assert cname(sandbox, "good.example.com") == HOST


def test_a_configuration_file_and_its_variables_do_what_options_do(pin53, sandbox, tmp_path):
    file = tmp_path / "pin53.toml"
    file.write_text(
        """
        [aws]
        signing = "sigv4"
        [[record]]
        name = "file.example.com"
        type = "A"
        ttl = 30
        """
    )
    done = pin53(sandbox.env | {"PIN53_CONFIG": str(file)}, "--once")
    assert (done.returncode, done.stdout) == (0, "changed file.example.com A (none) -> 198.51.100.7 (ttl 30)\n"), done
    by_variables = {"PIN53_NAME": "one.example.com,two.example.com", "PIN53_TYPE": "A", "PIN53_TTL": "7"}
    done = pin53(sandbox.env | by_variables, "--once")
    assert done.returncode == 0 and done.stdout.splitlines() == [
        "changed one.example.com A (none) -> 198.51.100.7 (ttl 7)",
        "changed two.example.com A (none) -> 198.51.100.7 (ttl 7)",
    ]
