"""Judges pin53's Shared Key signatures by azure-storage-blob's, in both directions, over random requests.

Left out are the inputs over which the SDK and the service's documentation part:

- a `Range` header: the SDK looks for it under another name, and signs it as empty.
- a `Date` beside `x-ms-date`: the SDK fills the slot that the documentation says to leave empty.
- odd white space in values: the SDK signs it as it stands, the documentation folds it.
- a repeated parameter: the SDK keeps its last value only.
- encoded or upper-case names of parameters: the SDK sorts and signs them before either is undone.
- `x-ms-` names in upper case: the SDK passes over them.
- a semicolon in the path: Python's `urlparse` takes what is behind it for something else than the path.
- an empty path: the SDK signs it empty, where the slash is what is sent.
"""

import base64
import email.utils
from types import SimpleNamespace
from urllib.parse import quote

from azure.core.pipeline.transport import HttpRequest
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy
from test_signers import REQUESTS, SEED, Draw, ask, shown, values

assert ask
STANDARD = ("Content-Encoding", "Content-Language", "Content-MD5", "Content-Type", "If-Match", "If-None-Match",
            "If-Modified-Since", "If-Unmodified-Since")


class Exchange:
    def __init__(self, draw):
        self.method = draw.dice.choice(["GET", "PUT", "DELETE", "HEAD", "POST"])
        self.account = draw.text("abcdef0123", 3, 12)
        self.key = base64.b64encode(draw.dice.randbytes(draw.dice.randint(1, 80))).decode()
        service = draw.dice.choice(["blob", "queue", "file"])
        host = draw.dice.choice([f"https://{self.account}.{service}.core.windows.net", "http://127.0.0.1:10000"])
        names = draw.dice.sample(["comp", "restype", "snapshot", "timeout", "a", "a-b", "a_b", "z"], draw.dice.randint(0, 5))
        query = "&".join(
            name if draw.chance(0.1) else f"{name}={quote(draw.text('abc+,:;/ü鳥 =&%', 0), safe='+,:;/')}" for name in names
        )
        self.url = host + (draw.path() or "/").replace(";", "") + (f"?{query}" if query else "")
        self.time = draw.dice.randrange(0, 4_102_444_800)
        word = lambda: draw.text("abcXYZ019-._~!$&'()*+,;=:@", 1)
        self.headers = {name: word() for name in draw.dice.sample(STANDARD, draw.dice.randint(0, 4))}
        for _ in range(draw.dice.randint(0, 6)):
            self.headers["x-ms-meta-" + draw.text("ab-_'01.!~", 1, 5)] = " ".join(word() for _ in range(2))
        self.headers["x-ms-version"] = draw.dice.choice(["2023-11-03", "2015-02-21", "2009-09-19"])
        self.body = draw.body()
        if self.body:
            self.headers["Content-Length"] = str(len(self.body))
        self.headers["x-ms-date"] = email.utils.formatdate(self.time, usegmt=True)

    def question(self, op, headers, **changes):
        return {
            "op": op, "scheme": "azure", "method": self.method, "url": self.url, "headers": headers,
            "body": base64.b64encode(self.body).decode(), "key_id": self.account, "secret": self.key, "token": None,
            "region": "", "service": "", "payload": None, "time": self.time, "window": 900,
        } | changes

    def signed_by_the_sdk(self):
        request = HttpRequest(self.method, self.url, headers=dict(self.headers))
        SharedKeyCredentialPolicy(self.account, self.key).on_request(SimpleNamespace(
            http_request=request, context=SimpleNamespace(transport=None)
        ))
        return list(request.headers.items())


def drawn(salt):
    return [Exchange(Draw(f"{SEED} {salt} {number}")) for number in range(REQUESTS)]


def test_shared_key_is_the_signature_that_the_sdk_makes(ask):
    exchanges = drawn("azure")
    answers = ask([exchange.question("sign", list(exchange.headers.items())) for exchange in exchanges])
    for exchange, answer in zip(exchanges, answers):
        theirs = exchange.signed_by_the_sdk()
        assert "signed" in answer, shown(exchange, answer=answer)
        ours = answer["signed"]
        assert values(ours["headers"], "authorization") == values(theirs, "authorization"), shown(
            exchange, string_to_sign=ours["string_to_sign"]
        )


def test_what_the_sdk_signed_is_valid_until_anything_covered_is_changed(ask):
    exchanges = drawn("azure verified")
    questions = []
    for number, exchange in enumerate(exchanges):
        dice = Draw(f"{SEED} azure tampered {number}").dice
        headers = exchange.signed_by_the_sdk()
        change = dice.choice([
            {"method": "PATCH"},
            {"url": exchange.url + ("&" if "?" in exchange.url else "?") + "more=1"},
            {"secret": base64.b64encode(b"another").decode()},
            {"time": exchange.time + 901},
            {"headers": [*headers, ("x-ms-more", "1")]},
            {"headers": [(name, value) for name, value in headers if name != "x-ms-version"]},
        ])
        questions.append(exchange.question("verify", headers))
        questions.append(exchange.question("verify", change.pop("headers", headers), **change))
    answers = ask(questions)
    for exchange, valid, question, refused in zip(exchanges, answers[::2], questions[1::2], answers[1::2]):
        expected = {"key_id": exchange.account, "signed_at": exchange.time, "payload_signed": None}
        assert valid == {"valid": expected}, shown(exchange, answer=valid)
        assert "rejected" in refused, shown(exchange, question=question)
