"""Judges sources by what the built program makes of real servers, programs and files."""

import http.server
import json
import threading

import pytest
from foreign_tls import Authority, Front, serving

NAME = "vpn.example.com"
ADDRESS = "198.51.100.44"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        getattr(self, self.path.split("?")[0].strip("/"))()

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def plain(self):
        self.answer(200, f"  {ADDRESS}\n".encode())

    def moved(self):
        self.answer(302, b"", Location="/plain")

    def endless(self):
        self.answer(200, b"1" * 100_000)

    def silent(self):
        self.server.stopped.wait()

    def log_message(self, *words):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.stopped = threading.Event()
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.stopped.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def once(sandbox, pin53):
    """One record of a `--once` with these sources, and its exit status."""

    def call(*sources, rtype="A", **variables):
        options = [word for source in sources for word in ("--source", source)]
        done = pin53(
            sandbox.env | variables, "--once", "--json", "--wait", "off", "--name", NAME, "--type", rtype, *options
        )
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)["records"][0]

    return call


def test_a_server_is_asked_and_its_answer_trimmed(once, server):
    status, record = once(f"{server}/plain?key=sentinel")
    assert (status, record["after"]["values"]) == (0, [ADDRESS])


@pytest.mark.parametrize("path, why", [("moved", "302"), ("endless", "larger than"), ("silent", "no answer from")])
def test_a_server_that_is_no_help_leaves_the_record(once, server, path, why):
    status, record = once(f"{server}/{path}?key=sentinel")
    assert (status, record["outcome"]) == (75, "left")
    assert why in record["reason"] and "sentinel" not in record["reason"]


def test_a_server_over_tls_has_to_be_certified(once, server, tmp_path):
    authority = Authority(tmp_path)
    with serving(Front(authority.server(-1, 1), server)) as front:
        status, record = once(f"{front.url}/plain", AWS_CA_BUNDLE=str(authority.file))
        assert (status, record["after"]["values"]) == (0, [ADDRESS])
        status, record = once(f"{front.url}/plain")
        assert (status, record["outcome"]) == (75, "left")
        assert "certificate" in record["reason"]


def test_nobody_listens(once):
    status, record = once("http://127.0.0.1:9/")
    assert (status, record["outcome"]) == (75, "left")


def test_programs_files_and_fixed_values(once, tmp_path):
    status, record = once(f"command:printf '%s\\n' {ADDRESS} '198.51.100.45'")
    assert (status, record["after"]["values"]) == (0, [ADDRESS, "198.51.100.45"])
    status, record = once("command:sh -c 'echo 198.51.100.1; echo cable unplugged >&2; exit 2'")
    assert (status, record["outcome"]) == (75, "left")
    assert "exit status: 2: cable unplugged" in record["reason"]
    file = tmp_path / "address"
    file.write_text(f"{ADDRESS}\n")
    status, record = once(f"file:{file}")
    assert (status, record["after"]["values"]) == (0, [ADDRESS])
    status, record = once("static:203.0.113.7")
    assert (status, record["after"]["values"]) == (0, ["203.0.113.7"])


def test_a_program_gets_no_secret_of_ours(once):
    secrets = {"AWS_ACCESS_KEY_ID": "sentinel-id", "AWS_SECRET_ACCESS_KEY": "sentinel", "AWS_SESSION_TOKEN": "sentinel"}
    _, record = once("command:sh -c 'env | grep ^AWS_ | sort >&2; env | grep -c sentinel >&2; exit 1'", **secrets)
    assert "sentinel" not in record["reason"]
    _, record = once("command:sh -c 'env | grep -c sentinel >&2; exit 1'", **secrets)
    assert record["reason"].endswith(": 0")


def test_a_dns_server_is_asked(once, sandbox):
    server, port = sandbox.dns
    once("static:" + ADDRESS)
    status, record = once(f"dns:{server}:{port}/{NAME}", rtype="A")
    assert (status, record["outcome"]) == (0, "unchanged")
    status, record = once(f"dns:{server}:{port}/nowhere.example.com")
    assert (status, record["outcome"]) == (75, "left")


def test_sources_that_differ_leave_the_record(sandbox, pin53, server, tmp_path):
    config = tmp_path / "pin53.toml"
    record = "[[record]]\nname = '%s'\ntype = 'A'\nagree = 2\nsource = [%s]\n"
    for sources, status in (("'imds', 'static:198.51.100.9'", 75), (f"'{server}/plain', 'imds', 'static:{ADDRESS}'", 0)):
        config.write_text(record % (NAME, sources))
        done = pin53(sandbox.env, "--once", "--wait", "off", "--config", str(config))
        assert done.returncode == status, done
