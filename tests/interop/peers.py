"""The processes that tests talk to: how each is started, found and ended.

Not here: what is asked of them.
"""

import contextlib
import http.server
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from unittest import mock

import boto3
from botocore.config import Config

# Long enough for a loaded machine; what takes longer hangs.
PATIENCE = 20


def plain_environment(home):
    """An environment in which nothing of the user's own AWS settings is found."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_STATE_HOME": str(home / "state")}


def run(command, environment, timeout=PATIENCE):
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)


def waited_for(condition, seconds=PATIENCE):
    """What `condition` gives as soon as that is something, and how long it took."""
    start = time.monotonic()
    while True:
        found = condition()
        took = time.monotonic() - start
        if found:
            return found, took
        assert took < seconds, f"not so within {seconds} s: {condition}"
        time.sleep(0.02)


def lines_until(stream, process, last):
    """The lines of a starting process up to the one that `last` matches."""
    hangs = threading.Timer(PATIENCE, process.kill)
    hangs.start()
    lines = []
    try:
        for line in stream:
            lines.append(line.rstrip("\n"))
            if re.search(last, line):
                return lines
    finally:
        hangs.cancel()
    raise AssertionError(f"{process.args} ended with {process.wait()} before it was ready: {lines}")


class Process:
    """Something that runs until `end`."""

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


class Sandbox(Process):
    """`pin53 sandbox`, the variables that it exports, and its metadata port's own controls."""

    def __init__(self, binary, home, *options):
        self.home = home
        command = [binary, "sandbox", *options]
        self.process = subprocess.Popen(command, env=plain_environment(home), stdout=subprocess.PIPE, text=True)
        self.env = {}
        for line in lines_until(self.process.stdout, self.process, r"^# ready$"):
            if export := re.match(r"export (\w+)=(.*)", line):
                self.env[export[1]] = shlex.split(export[2])[0]
            if dns := re.match(r"# dns ([0-9.]+):(\d+)", line):
                self.dns = dns[1], dns[2]
        self.metadata = self.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
        self.api = self.env["AWS_ENDPOINT_URL_ROUTE_53"]

    def control(self, method, path, body=None):
        data = body if body is None else body.encode()
        request = urllib.request.Request(self.metadata + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def move(self, host, address="203.0.113.99"):
        """Gives the instance another public address."""
        self.control("PUT", "/sandbox/instance", json.dumps({"public-hostname": host, "public-ipv4": address}))

    def host(self):
        return self.control("GET", "/sandbox/instance")["public-hostname"]

    def fault(self, script):
        self.control("POST", "/sandbox/fault", script)

    def stats(self):
        return self.control("GET", "/sandbox/stats")

    def session(self):
        """A session of boto3 that finds what the sandbox gives it, and nothing else."""
        with in_environment(plain_environment(self.home) | self.env):
            session = boto3.session.Session()
            session.get_credentials()
            return session

    def client(self, session=None, **options):
        """boto3's client of Route 53."""
        with in_environment(plain_environment(self.home) | self.env):
            return (session or self.session()).client("route53", config=Config(**options))

    def role_credentials(self):
        """What the metadata service gives to whoever asks with a token."""

        def ask(method, path, **headers):
            request = urllib.request.Request(self.metadata + path, method=method, headers=headers)
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.read().decode()

        token = ask("PUT", "/latest/api/token", **{"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        with_token = {"X-aws-ec2-metadata-token": token}
        path = "/latest/meta-data/iam/security-credentials/"
        return json.loads(ask("GET", path + ask("GET", path, **with_token), **with_token))

    def dig(self, *question):
        server, port = self.dns
        command = ["dig", f"@{server}", "-p", port, "+tries=2", "+timeout=5", *question]
        return run(command, {"PATH": os.environ["PATH"]}).stdout


class Moto(Process):
    """`moto_server`, which isn't ours, and a zone on it."""

    KEYS = {
        "AWS_ACCESS_KEY_ID": "AKIAINTEROP",
        "AWS_SECRET_ACCESS_KEY": "sentinel-secret-of-moto",
        "AWS_SESSION_TOKEN": "sentinel-token-of-moto",
    }

    def __init__(self, home):
        self.home = home
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        log = home / "moto.log"
        with open(log, "w") as writer:
            self.process = subprocess.Popen(command, env=plain_environment(home), stdout=writer, stderr=writer)
        # Into a file, since it logs every request for as long as it runs.
        running, _ = waited_for(lambda: re.search(r"Running on (http://\S+)", log.read_text()))
        self.env = {
            "AWS_ENDPOINT_URL_ROUTE_53": running[1],
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        } | self.KEYS

    def client(self):
        with in_environment(plain_environment(self.home) | self.env):
            return boto3.session.Session().client("route53")


class Ministack(Process):
    """`ministack`, which isn't ours either: it takes SigV4 by any key."""

    def __init__(self, binary, home):
        self.home = home
        log = home / "ministack.log"
        environment = plain_environment(home) | {"GATEWAY_PORT": "0"}
        with open(log, "w") as writer:
            self.process = subprocess.Popen([binary], env=environment, stdout=writer, stderr=writer, cwd=home)
        running, _ = waited_for(lambda: re.search(r"Running on http://\S+:(\d+)", log.read_text()))
        self.env = Moto.KEYS | {
            "AWS_ENDPOINT_URL_ROUTE_53": f"http://127.0.0.1:{running[1]}",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    client = Moto.client


class Daemon(Process):
    """`pin53`, running, with what it logs in a file."""

    def __init__(self, command, environment):
        self.log = os.path.join(environment["HOME"], "daemon.log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)

    def stop(self, number=signal.SIGTERM):
        """Asks it to stop; its status, and how long it took."""
        start = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE), time.monotonic() - start

    def logged(self):
        with open(self.log) as log:
            return log.read()


class Hooks:
    """A server that takes everything, and remembers it."""

    def __init__(self):
        self.got = got = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                got.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body.decode()))
                self.send_response(200)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def in_environment(variables):
    """boto3 reads the process's environment while a client is made."""
    with mock.patch.dict(os.environ, variables, clear=True):
        yield
