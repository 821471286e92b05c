"""What curl really sends, by arguments drawn at random, against what pin53 signed for.

`pin53 capture` judges: a request that isn't the one that was signed is answered 401. Arguments that pin53
doesn't take for certain are refused before curl is started, and then nothing arrives.
"""

import os
import random
import subprocess

import pytest
from peers import PATIENCE, plain_environment
from test_toolbox import KEYS, scope, start_capture

assert start_capture

SEED = os.environ.get("PIN53_SEED", "1")
DRAWN = int(os.environ.get("PIN53_CURL_DRAWN", "120"))
TEXTS = ["", "a", "a=1", "a=1&b=2", "x y", "ü=é", "a+b", "%41%2f", "=", "&", "a;b", "'\"", "{\"a\": [1]}", "@-x", "\ta\n", "a=" + "z" * 300]
METHODS = ["POST", "PUT", "DELETE", "PATCH", "GET", "OPTIONS", "PURGE"]
HEADERS = ["X-A: 1", "x-a:  two   words ", "X-A:", "X-A;", "X-Empty;", "Content-Type: application/json", "Content-Type: text/plain; charset=utf-8",
           "Content-Type:", "Accept:", "Accept: */*", "User-Agent: x", "X-Ms-Meta-b_c: 1", "x-ms-version: 2023-11-03", "x-ms-version: 2014-02-14",
           "X-Ünïcode: x", "Host: other.example", "Cache-Control: no-cache", "X-Tab:\ta\tb", "Range: bytes=0-4", "If-Match: \"x\""]
PATHS = ["", "/", "/a", "/a/", "/a//b", "/a/./b", "/a/../b", "/%7Ea/~b", "/a%2Fb", "/a%20b", "/a+b", "/a:b@c", "/a;b=c,d", "/a!$'()*", "/A%c3%bc", "/a.b", "/..."]
QUERIES = ["", "?", "?a", "?a=", "?a=1&a=2", "?b=2&a=1", "?a=%20+&b", "?&&a=1&", "?a=/?:@", "?%61=1", "?a=b=c", "?a%3Db", "?x=~*'()!", "?#f", "#f", "?a=1#f"]
NOISE = [["-s"], ["-S"], ["--compressed"], ["-A", "agent"], ["-e", "http://r/"], ["-b", "c=1"], ["--http1.1"], ["-m", "15"], ["--no-keepalive"], ["-4"], ["-f"], ["--expect100-timeout", "1"], ["--no-buffer"], ["-N"], ["--raw"]]


class Line:
    """A command line of curl's, and what is given on standard input."""

    def __init__(self, dice, files):
        self.dice, self.files = dice, files
        self.stdin = dice.choice(TEXTS).encode()
        self.words = []
        for _ in range(dice.randint(0, 2)):
            self.words += dice.choice(NOISE)
        kind = dice.choice(["plain", "data", "data", "data", "get", "head", "upload", "json", "old"])
        getattr(self, kind)()
        if dice.random() < 0.3:
            self.option("X", "request", dice.choice(METHODS))
        for _ in range(dice.choice([0, 0, 1, 2])):
            self.option("H", "header", dice.choice(HEADERS))

    def option(self, letter, name, value):
        """An option in one of its spellings."""
        flag = self.dice.choice(["s", "S", "sS", "g"])
        self.words += self.dice.choice([["-" + letter, value], ["-" + letter + value] if value else ["-" + letter, value],
                                        ["-" + flag + letter, value], ["--" + name, value]])

    def plain(self):
        pass

    def data(self):
        for _ in range(self.dice.choice([1, 1, 2, 3])):
            value = self.dice.choice(TEXTS + ["@" + self.dice.choice(self.files), "@-"])
            name = self.dice.choice(["data", "data", "data-ascii", "data-raw", "data-binary", "data-urlencode"])
            if name == "data":
                self.option("d", "data", value)
            else:
                self.words += ["--" + name, self.dice.choice(["", "", "n="]) + value if name == "data-urlencode" else value]

    def get(self):
        self.words.append(self.dice.choice(["-G", "--get", "-sG"]))
        self.data()

    def old(self):
        """HTTP/1.0, in which curl sends no body of a length that it doesn't know."""
        self.words += [self.dice.choice(["-0", "--http1.0"]), "-d", self.dice.choice(TEXTS)]

    def head(self):
        self.words.append(self.dice.choice(["-I", "--head", "-sI"]))

    def upload(self):
        self.option("T", "upload-file", self.dice.choice([*self.files, "-", "."]))

    def json(self):
        for _ in range(self.dice.choice([1, 1, 2])):
            self.words += ["--json", self.dice.choice(TEXTS + ["@" + self.dice.choice(self.files)])]

    def with_url(self, base):
        dice = self.dice
        url = base + dice.choice(PATHS) + dice.choice(QUERIES)
        if dice.random() < 0.1:
            self.words.append("--path-as-is")
        place = dice.randint(0, 1)
        return dice.choice([["--url", url, *self.words], [url, *self.words], [*self.words, url], [*self.words, "--", url]][place:])


@pytest.mark.parametrize("scheme", ("sigv4", "sigv4-query", "azure", "sdk-hmac"))
def test_curl_sends_what_was_signed_or_is_not_started(pin53_binary, start_capture, tmp_path, scheme):
    capture = start_capture(scheme)
    for name, content in (("lines", b"a=1\r\nb=2\n"), ("binary", bytes(range(1, 256)) + b"\0"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
    files = [str(tmp_path / name) for name in ("lines", "binary", "empty")]
    refused = []
    for number in range(DRAWN):
        line = Line(random.Random(f"{SEED} {scheme} {number}"), files)
        words = line.with_url(capture.url)
        before = len(capture.captured())
        command = [pin53_binary, "curl", "--scheme", scheme, *scope(scheme), "--", "-o", "/dev/null", "-w", "%{http_code}", *words]
        done = subprocess.run(command, env=plain_environment(tmp_path) | KEYS, input=line.stdin, capture_output=True, timeout=PATIENCE)
        arrived = capture.captured()[before:]
        shown = repr((words, line.stdin, done.returncode, done.stdout, done.stderr.decode(errors="replace")[-200:], [{k: a[k] for k in ('method','target','headers','body','verified')} for a in arrived]))
        if done.returncode == 64:
            assert b"error: " in done.stderr and not arrived, shown
            refused.append(words)
        else:
            assert (done.returncode, done.stdout, len(arrived)) == (0, b"200", 1), shown
    assert len(refused) < DRAWN / 2, refused
