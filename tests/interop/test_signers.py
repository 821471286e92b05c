"""Judges pin53's signatures by botocore's, in both directions, over random requests.

Each request is built once, signed by botocore and by pin53, and both have to say the same. Then
pin53 verifies what botocore signed, as it is and tampered with. Left out are the inputs over which
botocore and the service's own rules part:

- a `Date` header on the way to be signed: botocore rewrites it with the zone `-0000`, where pin53
  signs what it is given. Verified it is.
- white space beyond ASCII in header values: Python's `str.split` folds it, HTTP doesn't call it that.
- an empty path to S3: botocore signs it empty, where the slash is what is sent.
- `Proxy-` headers but the two that botocore names: pin53 signs none of them.
- SigV4 in the query: botocore keeps only the first value of a repeated key.
"""

import base64
import datetime
import email.utils
import hashlib
import json
import os
import random
import subprocess

import botocore.auth
import pytest
from botocore.auth import S3SigV4Auth, SigV3Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REQUESTS = 3000
SEED = int(os.environ.get("INTEROP_SEED", random.SystemRandom().getrandbits(32)))

UNRESERVED = "abcXYZ019-._~"
RESERVED = "!$&'()*+,;=:@"
UNICODE = "üß√→鳥🐦é"
S3 = ("s3", "s3-object-lambda", "s3-outposts")
SERVICES = ("route53", "iam", "sts", "lambda", "execute-api", "service", *S3)
REGIONS = ("us-east-1", "eu-west-1", "cn-northwest-1", "us-gov-west-1", "eu-isoe-west-1", "eusc-de-east-1")
SKIPPED = ("User-Agent", "Connection", "Expect", "X-Amzn-Trace-Id", "TE", "Proxy-Authorization", "Upgrade")
WINDOW = 300


class Draw:
    """Random parts of requests, each weighted to what goes wrong."""

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def chance(self, probability):
        return self.dice.random() < probability

    def text(self, alphabet, least=1, most=8):
        return "".join(self.dice.choices(alphabet, k=self.dice.randint(least, most)))

    def escape(self):
        return self.dice.choice(["%20", "%2F", "%2f", "%25", "%7E", "%C3%BC", "%00", "%0A", "%2B", "%3d"])

    def segment(self):
        return self.dice.choice([
            lambda: "",
            lambda: ".",
            lambda: "..",
            lambda: "..." + self.text(UNRESERVED),
            lambda: self.text(UNRESERVED),
            lambda: self.text(UNRESERVED + RESERVED),
            lambda: self.text(UNRESERVED) + self.escape() + self.text(UNRESERVED, 0),
            lambda: self.text(UNRESERVED + UNICODE),
        ])()

    def path(self):
        if self.chance(0.1):
            return ""
        return "/" + "/".join(self.segment() for _ in range(self.dice.randint(0, 6)))

    def query(self):
        """A query as it stands in a URL, in canonical encoding or not, with keys that repeat."""
        keys = [self.text(UNRESERVED + "%:", 0, 4).replace("%", "%20") for _ in range(3)] + ["a", "a-b", "a%20b"]
        pairs = []
        for _ in range(self.dice.randint(0, 7)):
            key = self.dice.choice(keys)
            value = self.dice.choice([
                "", "1", self.text(UNRESERVED), self.text(UNRESERVED + UNICODE + RESERVED.replace("&", "")),
                self.escape() + self.text("=ab"),
            ])
            pairs.append(key if self.chance(0.2) else f"{key}={value}")
        return "&".join(pairs)

    def parameters(self):
        """Parameters before they are encoded, for the client that does it for its caller."""
        alphabet = UNRESERVED + RESERVED + UNICODE + " /?#%\"<>"
        keys = [self.text(alphabet, 1, 4) for _ in range(3)]
        return [(self.dice.choice(keys), self.text(alphabet, 0)) for _ in range(self.dice.randint(1, 6))]

    def host(self):
        name = self.dice.choice(["route53.amazonaws.com", "Example.COM", "127.0.0.1", "localhost", "[2001:db8::53]"])
        return name + self.dice.choice(["", "", ":443", ":80", ":8443"])

    def header_value(self):
        space = self.dice.choice([" ", "  ", "\t", " \t  "])
        words = [self.text(UNRESERVED + RESERVED + '"\\/%' + UNICODE, 0) for _ in range(self.dice.randint(0, 4))]
        return self.dice.choice(["", space]) + space.join(words) + self.dice.choice(["", space])

    def headers(self):
        drawn = []
        for _ in range(self.dice.randint(0, 5)):
            name = self.dice.choice([
                "Content-Type", "X-Amz-Meta-" + self.text("abZ-9_"), "My-Header", "my-header", "Accept", "Range",
                self.text("!#$%&'*+.^`|~ab-Z"), *SKIPPED,
            ])
            drawn.extend((name, self.header_value()) for _ in range(self.dice.choice([1, 1, 1, 2, 3])))
        if self.chance(0.1):
            drawn.append(("Host", self.dice.choice(["Elsewhere.Example:1234", "other.example"])))
        if self.chance(0.1):
            drawn.append((self.dice.choice(["Authorization", "authorization"]), "AWS4-HMAC-SHA256 of an earlier try"))
        if self.chance(0.1):
            drawn.append(("X-Amz-Security-Token", "of-an-earlier-try"))
        self.dice.shuffle(drawn)
        return drawn

    def body(self):
        return self.dice.choice([b"", b"", self.dice.randbytes(self.dice.randint(1, 300)), b"<a>\xc3\xbc</a>\r\n", b"\0"])


class Exchange:
    """One request to be signed, as both sides are given it."""

    def __init__(self, draw):
        self.method = draw.dice.choice(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "PROPFIND"])
        self.service = draw.dice.choice(SERVICES)
        self.region = draw.dice.choice(REGIONS)
        # botocore covers bodies on plain http, whatever it is asked for.
        self.unsigned = draw.chance(0.1)
        scheme = "https" if self.unsigned else draw.dice.choice(["http", "https"])
        path = draw.path() or ("/" if self.service in S3 else "")
        base = f"{scheme}://{draw.host()}{path}"
        self.parameters = draw.parameters() if draw.chance(0.3) else None
        if self.parameters:
            encode = lambda text: botocore.auth.quote(text, safe="-_.~")
            query = "&".join(f"{encode(key)}={encode(value)}" for key, value in self.parameters)
            self.url, self.botocore_url = f"{base}?{query}", base
        else:
            query = draw.query()
            self.url = self.botocore_url = f"{base}?{query}" if query or draw.chance(0.1) else base
        self.headers = draw.headers()
        self.body = draw.body()
        self.time = draw.dice.choice([draw.dice.randrange(0, 4_102_444_800), 951_782_400, 1_440_938_160])
        self.key_id = "AKIA" + draw.text("ABCDEFGH234567", 4, 16) + draw.dice.choice(["", "", "/odd"])
        self.secret = draw.text("abcdefgh+/0123=%& ü", 1, 80)
        self.token = draw.text("abcdefghXYZ+/=0123", 1, 400) if draw.chance(0.5) else None
        if not self.unsigned and self.service not in S3 and draw.chance(0.1):
            self.headers.append(("X-Amz-Content-SHA256", hashlib.sha256(self.body).hexdigest()))
        if draw.chance(0.1):
            self.headers.append(("x-amz-date", self.timestamp()))

    def timestamp(self):
        return self.moment().strftime("%Y%m%dT%H%M%SZ")

    def moment(self):
        return datetime.datetime.fromtimestamp(self.time, datetime.timezone.utc)

    def question(self, op, scheme, headers, **changes):
        return {
            "op": op,
            "scheme": scheme,
            "method": self.method,
            "url": self.url,
            "headers": headers,
            "body": base64.b64encode(self.body).decode(),
            "key_id": self.key_id,
            "secret": self.secret,
            "token": self.token,
            "region": self.region,
            "service": self.service,
            "payload": "unsigned" if self.unsigned else None,
            "time": self.time,
            "window": WINDOW,
        } | changes

    def signed_by_botocore(self, make, monkeypatch):
        """What botocore sends: the request with the signer's headers in it."""
        monkeypatch.setattr(botocore.auth, "get_current_datetime", self.moment)
        monkeypatch.setattr(botocore.auth, "formatdate", self.formatted)
        request = AWSRequest(self.method, self.botocore_url, None, self.body, self.parameters)
        for name, value in self.headers:
            request.headers.add_header(name, value)
        if self.unsigned:
            request.context["payload_signing_enabled"] = False
            if self.service in S3:
                request.context["client_config"] = Unsigned
        make(self).add_auth(request)
        return request.headers.items()

    def formatted(self, time=None, usegmt=False):
        return email.utils.formatdate(self.time if time is None else time, usegmt=usegmt)


class Unsigned:
    s3 = {"payload_signing_enabled": False}


def credentials(exchange):
    return Credentials(exchange.key_id, exchange.secret, exchange.token)


def sigv4(exchange):
    kind = S3SigV4Auth if exchange.service in S3 else SigV4Auth
    return kind(credentials(exchange), exchange.service, exchange.region)


def sigv3(exchange):
    return SigV3Auth(credentials(exchange))


@pytest.fixture(scope="module")
def ask(signer_binary):
    """Puts questions to pin53's signers, all in one run."""

    def answers(questions):
        lines = "".join(json.dumps(question) + "\n" for question in questions)
        done = subprocess.run([signer_binary], input=lines, capture_output=True, text=True, timeout=60, check=True)
        answered = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answered) == len(questions)
        return answered

    return answers


def drawn(salt):
    return [Exchange(Draw(f"{SEED} {salt} {number}")) for number in range(REQUESTS)]


def shown(exchange, **more):
    lines = {"INTEROP_SEED": SEED} | vars(exchange) | more
    return "\n" + "\n".join(f"{name} = {value!r}" for name, value in lines.items())


def values(headers, name):
    return [value for key, value in headers if key.lower() == name]


def test_sigv4_adds_the_very_headers_that_botocore_adds(ask, monkeypatch):
    exchanges = drawn("sigv4")
    questions = [exchange.question("sign", "sigv4", exchange.headers) for exchange in exchanges]
    for exchange, answer in zip(exchanges, ask(questions)):
        theirs = exchange.signed_by_botocore(sigv4, monkeypatch)
        assert "signed" in answer, shown(exchange, answer=answer)
        ours = answer["signed"]["headers"]
        assert values(ours, "authorization") == values(theirs, "authorization"), shown(
            exchange, canonical_request=answer["signed"]["canonical_request"], theirs=theirs
        )
        sent = [*(pair for pair in exchange.headers if not values(ours, pair[0].lower())), *ours]
        for name in ("x-amz-date", "x-amz-security-token", "x-amz-content-sha256"):
            assert values(sent, name) == values(theirs, name), shown(exchange, name=name, theirs=theirs)


def test_aws3_https_is_the_signature_that_botocore_makes(ask, monkeypatch):
    exchanges = drawn("aws3")
    questions = [
        exchange.question("sign", "aws3-https", [("Date", exchange.formatted(usegmt=True))]) for exchange in exchanges
    ] + [exchange.question("sign", "aws3-https", []) for exchange in exchanges]
    answers = ask(questions)
    for exchange, over_date, over_amz_date in zip(exchanges, answers, answers[REQUESTS:]):
        theirs = exchange.signed_by_botocore(sigv3, monkeypatch)
        for answer in (over_date, over_amz_date):
            ours = answer["signed"]["headers"]
            assert values(ours, "x-amzn-authorization") == values(theirs, "x-amzn-authorization"), shown(exchange)
            token = [exchange.token] if exchange.token else []
            assert values(ours, "x-amz-security-token") == token, shown(exchange)
        assert values(over_amz_date["signed"]["headers"], "x-amz-date") == values(theirs, "date"), shown(exchange)
        assert not values(over_date["signed"]["headers"], "x-amz-date"), "one date, and not another beside it"


def test_what_botocore_signed_is_valid_until_anything_covered_is_changed(ask, monkeypatch):
    exchanges = drawn("verified")
    questions = []
    for number, exchange in enumerate(exchanges):
        if number % 3 == 0 and not values(exchange.headers, "x-amz-date"):
            exchange.headers.append(("Date", "of an earlier try"))
        headers = exchange.signed_by_botocore(sigv4, monkeypatch)
        questions.append(exchange.question("verify", "sigv4", headers))
        questions.append(tampered(Draw(f"{SEED} tampered {number}"), exchange, headers))
    answers = ask(questions)
    for exchange, valid, question, refused in zip(exchanges, answers[::2], questions[1::2], answers[1::2]):
        covered = not exchange.unsigned
        expected = {"key_id": exchange.key_id, "signed_at": exchange.time, "payload_signed": covered}
        assert valid == {"valid": expected}, shown(exchange, answer=valid)
        assert "rejected" in refused, shown(exchange, question=question)


def tampered(draw, exchange, headers):
    """The question once more, with one thing changed that the signature covers."""
    other_body = base64.b64encode(exchange.body + b"!").decode()
    later = exchange.time + draw.dice.choice([-1, 1]) * draw.dice.randint(WINDOW + 1, 2 * WINDOW)
    authorization = values(headers, "authorization")[0]
    digit = authorization[-1]
    forged = authorization[:-1] + ("0" if digit != "0" else "1")
    without = [(name, value) for name, value in headers if name.lower() != "authorization"]
    change = draw.dice.choice([
        {"method": "TRACE"},
        {"url": exchange.url.replace("?", "/more?", 1) if "?" in exchange.url else exchange.url + "/more"},
        {"url": exchange.url + ("&" if "?" in exchange.url else "?") + "more=1"},
        {"secret": exchange.secret + "!"},
        {"key_id": "AKIAOTHER"},
        {"time": later},
        {"headers": [*without, ("Authorization", forged)]},
        {"headers": without},
        {"headers": [*headers, ("Authorization", authorization)]},
        {"headers": [(name, value) for name, value in headers if name.lower() not in ("date", "x-amz-date")]},
        {"body": other_body} if not exchange.unsigned else {"method": "TRACE"},
    ])
    return exchange.question("verify", "sigv4", change.pop("headers", headers), **change)


def test_aws3_https_of_botocore_is_valid_for_five_minutes_and_for_its_date_alone(ask, monkeypatch):
    exchanges = drawn("aws3 verified")
    questions = []
    for number, exchange in enumerate(exchanges):
        draw = Draw(f"{SEED} aws3 tampered {number}")
        headers = exchange.signed_by_botocore(sigv3, monkeypatch)
        # It signs the one date and leaves the other, which would win.
        headers = [(name, value) for name, value in headers if name.lower() != "x-amz-date"]
        near = exchange.time + draw.dice.randint(-WINDOW, WINDOW)
        far = exchange.time + draw.dice.choice([-1, 1]) * draw.dice.randint(WINDOW + 1, 10**6)
        another = email.utils.formatdate(exchange.time + 1, usegmt=True)
        redated = [(name, another if name == "Date" else value) for name, value in headers]
        questions += [
            exchange.question("verify", "aws3-https", headers, time=near),
            exchange.question("verify", "aws3-https", headers, time=max(far, -(10**6))),
            exchange.question("verify", "aws3-https", redated),
            exchange.question("verify", "aws3-https", headers, secret=exchange.secret + "!"),
        ]
    answers = ask(questions)
    for number, exchange in enumerate(exchanges):
        valid, *refused = answers[4 * number : 4 * number + 4]
        expected = {"key_id": exchange.key_id, "signed_at": exchange.time, "payload_signed": None}
        assert valid == {"valid": expected}, shown(exchange, answer=valid)
        assert all("rejected" in answer for answer in refused), shown(exchange, answers=refused)


def test_the_question_itself_is_checked(ask):
    answers = ask([{"op": "sign"}, Exchange(Draw(SEED)).question("sign", "sigv4", [("no name", "x")])])
    assert all("error" in answer for answer in answers), answers
