"""The signing toolbox on the built binary: the real curl, signed, against pin53's servers and moto's."""

import json
import pathlib
import re
import shlex
import socket
import stat
import subprocess

import pytest
from peers import PATIENCE, Process, lines_until, plain_environment, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "sentinel-token",
    "AZURE_STORAGE_ACCOUNT": "myaccount",
    "AZURE_STORAGE_KEY": "c2VudGluZWwga2V5",
    "SDK_HMAC_KEY": "appkey",
    "SDK_HMAC_SECRET": "sentinel-secret",
}
SCHEMES = ("aws3-https", "sigv4", "sigv4-query", "azure", "sdk-hmac")
SCOPED = ("sigv4", "sigv4-query")


class Capture(Process):
    """`pin53 capture` that checks what arrives."""

    def __init__(self, binary, home, scheme):
        keys = home / "keys.toml"
        keys.write_text("".join(f"{KEYS[name]} = {json.dumps(KEYS[secret])}\n" for name, secret in (
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY"),
            ("SDK_HMAC_KEY", "SDK_HMAC_SECRET"))))
        self.log = home / f"{scheme}.log"
        command = [binary, "capture", "--json", "--log", self.log, "--scheme", scheme, "--keys", keys]
        self.process = subprocess.Popen(command, env=plain_environment(home), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        line = lines_until(self.process.stderr, self.process, "^listening on ")[-1]
        self.url = line.removeprefix("listening on ")
        self.port = self.url.rpartition(":")[2]

    def captured(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def start_capture(pin53_binary, tmp_path):
    started = []

    def start(scheme):
        started.append(Capture(pin53_binary, tmp_path, scheme))
        return started[-1]

    yield start
    for capture in started:
        capture.end()


def scope(scheme):
    return ("--region", "us-east-1", "--service", "iam") if scheme in SCOPED else ()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_signed_is_taken_and_refused_with_one_byte_changed(pin53, start_capture, tmp_path, scheme):
    capture = start_capture(scheme)
    (tmp_path / "body").write_bytes(b"a\r\nb\0c")
    of_json = ("-H", "Content-Type: application/json", "-d", '{"a": 1}')
    requests = [("/",), ("/a/b?x=1&x=2&y", "-H", "X-Custom:  a   b "), ("/x", *of_json),
                ("/x", "-X", "DELETE", "-H", "x-ms-version: 2023-11-03"), ("/up", "-T", str(tmp_path / "body")),
                ("/", "--data-binary", f"@{tmp_path / 'body'}"), ("/form", "-d", "a=1", "-d", "b=2"), ("/i", "-I")]
    for path, *arguments in requests:
        done = pin53(KEYS, "curl", "--scheme", scheme, *scope(scheme), "--", "-sS", "-o", "/dev/null",
                     "-w", "%{http_code}", *arguments, capture.url + path)
        assert (done.returncode, done.stdout) == (0, "200"), (path, arguments, done.stderr, capture.captured()[-1])

    # The same headers once more, and another byte in what they cover.
    signed = pin53(KEYS, "sign", "--scheme", scheme, "--json", *scope(scheme), capture.url + "/a?b=1")
    answer = json.loads(signed.stdout)
    headers = [argument for name, value in answer["headers"] for argument in ("-H", f"{name}: {value}")]
    again = ["curl", "-sS", "-w", "%{http_code}", "-o", "/dev/null", *headers]
    assert run([*again, answer["url"]], plain_environment(tmp_path)).stdout == "200"
    if scheme == "aws3-https":
        changed = [header.replace(" 20", " 19") if "x-amz-date" in header else header for header in again]
        assert run([*changed, answer["url"]], plain_environment(tmp_path)).stdout == "401"
    else:
        assert run([*again, answer["url"].replace("b=1", "b=2")], plain_environment(tmp_path)).stdout == "401"
    assert stat.S_IMODE(capture.log.stat().st_mode) == 0o600
    assert "sentinel" not in capture.log.read_text()


@pytest.mark.parametrize("scheme", ("aws3-https", "sigv4"))
def test_curl_lists_a_zone_of_the_sandbox(pin53, sandbox, scheme):
    scoped = ("--region", "us-east-1", "--service", "route53") if scheme == "sigv4" else ()

    def curl(path):
        done = pin53(sandbox.env, "curl", "--scheme", scheme, *scoped, "--", "-sSf", f"{sandbox.api}/2013-04-01{path}")
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout

    zones = curl("/hostedzone")
    assert "<Name>example.com.</Name>" in zones
    zone = re.search("<Id>(/hostedzone/[^<]+)</Id>", zones)[1]
    assert "<Type>SOA</Type>" in curl(f"{zone}/rrset?name=example.com&type=SOA&maxitems=1")


def test_curl_makes_and_lists_a_zone_of_moto(pin53, moto):
    base = f"{moto.env['AWS_ENDPOINT_URL_ROUTE_53']}/2013-04-01"
    wish = ('<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">'
            "<Name>curl.example</Name><CallerReference>curl</CallerReference></CreateHostedZoneRequest>")

    def curl(*arguments):
        done = pin53(KEYS, "curl", "--scheme", "sigv4", "--region", "us-east-1", "--service", "route53", "--", "-sSf", *arguments)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout

    made = curl("-H", "Content-Type: text/xml", "-d", wish, f"{base}/hostedzone")
    zone = re.search("<Id>(/hostedzone/[^<]+)</Id>", made)[1]
    assert "<Name>curl.example.</Name>" in curl(f"{base}/hostedzone")
    listed = curl(f"{base}{zone}/rrset")
    assert "ListResourceRecordSetsResponse" in listed and "<Type>SOA</Type>" in listed


def answered(capture, wire):
    """The status that bytes are answered with."""
    with socket.create_connection(("127.0.0.1", int(capture.port)), PATIENCE) as connection:
        connection.sendall(wire)
        return connection.makefile("rb").readline().split(b" ")[1]


@pytest.mark.parametrize("method, scheme", [("POST", scheme) for scheme in SCHEMES if scheme != "sigv4-query"] + [("GET", "sigv4-query")])
def test_each_byte_of_a_signed_post_and_a_presigned_get_counts(pin53, start_capture, method, scheme):
    """Every covered byte in turn: of target and body, of what was added, and of the header that is signed."""
    capture = start_capture(scheme)
    body = b'{"who": "me"}' if method == "POST" else b""
    url = capture.url + "/2014-11-13/functions/hello/invoke-async/?a=1"
    given = {"Content-Type": "application/json", "x-ms-version": "2023-11-03"} if body else {}
    options = [word for name, value in given.items() for word in ("--header", f"{name}: {value}")]
    options += ["--data", body.decode()] if body else []
    signed = json.loads(pin53(KEYS, "sign", "--scheme", scheme, "--json", *scope(scheme), *options, url).stdout)
    target = signed["url"].removeprefix(capture.url)
    added = dict(signed["headers"])
    lines = [f"Host: 127.0.0.1:{capture.port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (given | added).items()]
    wire = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode() + body
    assert answered(capture, wire) == b"200", capture.captured()

    # AWS3-HTTPS covers the date alone, and Azure no more than the length of the body.
    covered = [value for name, value in added.items() if scheme != "aws3-https" or "token" not in name]
    if scheme != "aws3-https":
        covered += [target, *given.values()]
    if body and scheme not in ("aws3-https", "azure"):
        covered.append(body.decode())
    for text in covered:
        start = wire.index(text.encode())
        for place in range(start, start + len(text)):
            changed = wire[:place] + bytes([wire[place] ^ 1]) + wire[place + 1:]
            status = answered(capture, changed)
            assert status in (b"401", b"400"), (text, place - start, chr(changed[place]), status, capture.captured()[-1])


def test_neither_signature_nor_token_is_among_the_arguments_or_the_environment(pin53, tmp_path):
    fake = tmp_path / "bin" / "curl"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\ntr "\\0" "\\n" < /proc/$$/cmdline; env; exit 53\n')
    fake.chmod(0o755)
    environment = KEYS | {"PATH": f"{fake.parent}:/usr/bin:/bin"}
    for scheme in SCHEMES:
        done = pin53(environment, "curl", "--scheme", scheme, *scope(scheme), "--", "-s", "http://127.0.0.1:1/x")
        assert done.returncode == 53, done.stderr
        assert "sentinel" not in done.stdout and "Signature=" not in done.stdout and KEYS["AZURE_STORAGE_KEY"] not in done.stdout


def test_verify_says_what_differs(pin53, tmp_path):
    sign = ("sign", "--scheme", "sdk-hmac", "--header", "X-Custom: a", "http://example.com/a")
    headers = pin53(KEYS, *sign).stdout
    request = tmp_path / "request"
    request.write_text(f"GET /a HTTP/1.1\nHost: example.com\nX-Custom: a\n{headers}\n")
    done = pin53(KEYS, "verify", "--scheme", "sdk-hmac", str(request))
    assert (done.returncode, done.stdout) == (0, "valid\n"), done.stdout
    expected = tmp_path / "expected"
    explained = json.loads(pin53(KEYS, "sign", "--json", *sign[1:]).stdout)
    expected.write_text(explained["canonical_request"])
    request.write_text(request.read_text().replace("X-Custom: a", "X-Custom: b"))
    done = pin53(KEYS, "verify", "--scheme", "sdk-hmac", "--expect", str(expected), str(request))
    assert done.returncode == 65 and done.stdout.startswith("mismatch: ")
    assert "first difference: line 5 of the canonical request, column 10" in done.stdout, done.stdout


def test_statuses_are_those_that_are_promised(pin53, tmp_path):
    url = "https://route53.amazonaws.com/"
    nothing = {"AWS_EC2_METADATA_DISABLED": "true"}
    for status, environment, *arguments in [
        (64, KEYS, "--scheme", "sigv4", "--at", "yesterday", url),
        (64, KEYS, "--scheme", "rot13", url),
        (64, KEYS, "--scheme", "sigv4"),
        (64, KEYS, "--scheme", "sigv4", "http://127.0.0.1/"),
        (77, nothing, "--scheme", "sigv4", url),
        (77, nothing, "--scheme", "azure", url),
        (77, nothing, "--scheme", "sdk-hmac", url),
        (78, KEYS | {"AZURE_STORAGE_KEY": "not base64!"}, "--scheme", "azure", url),
    ]:
        done = pin53(environment, "sign", *arguments)
        assert (done.returncode, done.stdout) == (status, ""), (arguments, done.stderr)
    done = pin53(KEYS, "curl", "--scheme", "sigv4", "--", "-K", "x", url)
    assert done.returncode == 64 and "-K" in done.stderr
    done = pin53(KEYS, "curl", "--scheme", "aws3-https", "--", "http://example.com/")
    assert done.returncode == 78 and "loopback" in done.stderr


def test_the_readmes_examples_hold(pin53_binary, start_capture, tmp_path):
    """Each example as it stands, but that its host is looked for where capture listens."""
    text = (ROOT / "README.md").read_text()
    section = text.split("## The signing toolbox")[1].split("\n## ")[0]
    examples = re.findall(r"^pin53 curl --scheme (\S+) .*?[^\\]$", section, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^(pin53 curl --scheme \S+ .*?[^\\])$", section, re.MULTILINE | re.DOTALL)
    assert sorted(examples) == sorted(SCHEMES)
    for scheme, line in zip(examples, lines):
        capture = start_capture(scheme)
        words = shlex.split(line.replace("\\\n", " "))
        host = re.search(r"https://([^/']+)", line)[1]
        if scheme == "aws3-https":
            words = [word.replace(f"https://{host}", capture.url) for word in words]
        else:
            words = [word.replace("https://", "http://") for word in words]
            words += ["--connect-to", f"{host}:80:127.0.0.1:{capture.port}"]
        words += ["-sS", "-o", "/dev/null", "-w", "%{http_code}"]
        done = run([pin53_binary, *words[1:]], plain_environment(tmp_path) | KEYS)
        assert (done.returncode, done.stdout) == (0, "200"), (words, done.stderr, capture.captured())
