"""Judges pin53's presigned URLs by botocore's, in both directions, over random requests.

Left out are the inputs over which botocore and the scheme part:

- a repeated key: botocore keeps the first value only.
- escapes that aren't UTF-8: botocore replaces them; pin53 keeps their bytes.
- headers that botocore never signs: in a query pin53 signs each that it is given.
- a body to sign: botocore's presigner signs the empty one.
- a host header of the user's own: botocore's presigner leaves the URL's.
"""

import random

import botocore.auth
import pytest
from botocore.auth import S3SigV4QueryAuth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from test_signers import REGIONS, REQUESTS, S3, SEED, SERVICES, SKIPPED, Draw, Exchange, ask, credentials, shown

assert ask


class Presigned(Exchange):
    """One URL to be signed, as both sides are given it."""

    def __init__(self, draw):
        super().__init__(draw)
        self.body, self.unsigned = b"", False
        self.expires = draw.dice.choice([1, 60, 3600, 604800])
        dropped = {name.lower() for name in SKIPPED} | {
            "host", "authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"
        }
        self.headers = [(name, value) for name, value in self.headers if name.lower() not in dropped]
        base, _, query = self.url.partition("?")
        seen, kept = set(), []
        for pair in query.split("&"):
            key = botocore.auth.unquote(pair.partition("=")[0].replace("+", " "))
            if key not in seen and not key.startswith("X-Amz-"):
                seen.add(key)
                kept.append(pair)
        self.url = self.botocore_url = f"{base}?{'&'.join(kept)}"
        self.parameters = None

    def presigned_by_botocore(self, monkeypatch):
        monkeypatch.setattr(botocore.auth, "get_current_datetime", self.moment)
        request = AWSRequest(self.method, self.url, None, self.body)
        for name, value in self.headers:
            request.headers.add_header(name, value)
        kind = S3SigV4QueryAuth if self.service in S3 else SigV4QueryAuth
        kind(credentials(self), self.service, self.region, self.expires).add_auth(request)
        return request.url

    def question(self, op, **changes):
        return super().question(op, "sigv4-query", self.headers, expires=self.expires, payload=None, **changes)


def drawn(salt):
    return [Presigned(Draw(f"{SEED} {salt} {number}")) for number in range(REQUESTS)]


def test_presigned_urls_carry_the_signature_that_botocore_makes(ask, monkeypatch):
    exchanges = drawn("presigned")
    for exchange, answer in zip(exchanges, ask([exchange.question("sign") for exchange in exchanges])):
        theirs = exchange.presigned_by_botocore(monkeypatch)
        assert "signed" in answer, shown(exchange, answer=answer)
        ours = answer["signed"]["url"]
        assert parameters(ours) == parameters(theirs), shown(
            exchange, canonical_request=answer["signed"]["canonical_request"], ours=ours, theirs=theirs
        )


def parameters(url):
    return sorted(url.partition("?")[2].split("&"))


def test_what_botocore_presigned_is_valid_until_it_expires_or_is_changed(ask, monkeypatch):
    exchanges = drawn("presigned verified")
    questions = []
    for number, exchange in enumerate(exchanges):
        dice = random.Random(f"{SEED} presigned tampered {number}")
        url = exchange.presigned_by_botocore(monkeypatch)
        now = exchange.time + dice.randint(0, exchange.expires)
        change = dice.choice([
            {"method": "TRACE"},
            {"url": url.replace("?", "/more?", 1)},
            {"url": url + "&more=1"},
            {"url": url.replace("X-Amz-Expires=", "X-Amz-Expires=1", 1)},
            {"url": url[:-1] + ("0" if url[-1] != "0" else "1")},
            {"secret": exchange.secret + "!"},
            {"time": exchange.time + exchange.expires + 1},
            {"time": exchange.time - 301},
        ])
        questions.append(exchange.question("verify", **{"url": url, "time": now}))
        questions.append(exchange.question("verify", **{"url": url, "time": now} | change))
    answers = ask(questions)
    for exchange, valid, question, refused in zip(exchanges, answers[::2], questions[1::2], answers[1::2]):
        expected = {"key_id": exchange.key_id, "signed_at": exchange.time, "payload_signed": exchange.service not in S3}
        assert valid == {"valid": expected}, shown(exchange, answer=valid)
        assert "rejected" in refused, shown(exchange, question=question)
