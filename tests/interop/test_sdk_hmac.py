"""Judges pin53's SDK-HMAC-SHA256 by huaweicloudsdkcore's, in both directions, over random requests.

Left out are the inputs over which the SDK and the scheme part:

- a repeated header: the SDK holds headers in a dictionary.
- a content type under another spelling of its name than `Content-Type`: the SDK then takes the body as covered.
- an `X-Sdk-Content-Sha256` of the user's own beside a content type that the SDK leaves open: it overwrites it.
- escapes in the path that aren't UTF-8: the SDK replaces them; pin53 keeps their bytes.
- white space at the ends of values beyond ASCII: Python strips it.
"""

import base64
import datetime

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from test_signers import REQUESTS, SEED, Draw, ask, shown, values

assert ask
TYPES = ("application/json", "application/json; charset=utf-8", "application/bson", "text/plain",
         "application/x-www-form-urlencoded", "")


class Exchange:
    def __init__(self, draw):
        self.method = draw.dice.choice(["GET", "PUT", "DELETE", "HEAD", "POST", "PATCH"])
        self.host = draw.dice.choice(["service.region.example.com", "127.0.0.1:8080"])
        self.path = "/" + "/".join(draw.text("abcXYZ019-._~!$&'()*+,;=:@ü鳥", 0) for _ in range(draw.dice.randint(0, 4)))
        alphabet = "abc-._~!$&'()*+,;=:@/? %üé鳥"
        names = {draw.text(alphabet, 1, 3) for _ in range(draw.dice.randint(0, 4))}
        value = lambda: draw.dice.choice([draw.text(alphabet, 0), [draw.text(alphabet, 0), draw.text(alphabet, 0)]])
        self.query = [(name, value()) for name in names]
        self.time = draw.dice.randrange(0, 4_102_444_800)
        self.headers = {"X-Sdk-Date": self.moment().strftime("%Y%m%dT%H%M%SZ")}
        if kind := draw.dice.choice(TYPES):
            self.headers["Content-Type"] = kind
        for _ in range(draw.dice.randint(0, 4)):
            name = draw.dice.choice(["X-", "x-Meta-"]) + draw.text("abZ-9_", 1, 3)
            if name.lower() not in {known.lower() for known in self.headers}:
                words = [draw.text("abc\"'\\/%,;=", 0) for _ in range(3)]
                self.headers[name] = draw.dice.choice(["", " "]) + draw.dice.choice([" ", "   "]).join(words)
        if draw.chance(0.2):
            self.headers["X-Security-Token"] = draw.text("abcXYZ/+=", 10, 200)
        self.body = draw.body()
        self.key_id = draw.text("ABCDEF234567", 4, 20)
        self.secret = draw.text("abcdefgh+/0123=%& ü", 1, 80)

    def moment(self):
        return datetime.datetime.fromtimestamp(self.time, datetime.timezone.utc)

    def signed_by_the_sdk(self):
        """What is sent, and the URL that it is sent to."""
        request = SdkRequest(
            method=self.method, schema="https", host=self.host, resource_path=self.path,
            query_params=[(name, list(value) if isinstance(value, list) else value) for name, value in self.query],
            header_params=dict(self.headers), body=self.body,
        )
        signed = Signer(BasicCredentials(self.key_id, self.secret)).sign(request)
        headers = [(name, value.encode("iso-8859-1").decode()) for name, value in signed.header_params.items()]
        return headers, f"https://{self.host}{signed.uri}"

    def question(self, op, url, headers, **changes):
        return {
            "op": op, "scheme": "sdk-hmac", "method": self.method, "url": url, "headers": headers,
            "body": base64.b64encode(self.body).decode(), "key_id": self.key_id, "secret": self.secret, "token": None,
            "region": "", "service": "", "payload": None, "time": self.time, "window": 900,
        } | changes


def drawn(salt):
    return [Exchange(Draw(f"{SEED} {salt} {number}")) for number in range(REQUESTS)]


def test_the_signature_is_the_one_that_the_sdk_makes(ask):
    exchanges = drawn("sdk-hmac")
    theirs = [exchange.signed_by_the_sdk() for exchange in exchanges]
    questions = [
        exchange.question("sign", url, list(exchange.headers.items())) for exchange, (_, url) in zip(exchanges, theirs)
    ]
    for exchange, (headers, url), answer in zip(exchanges, theirs, ask(questions)):
        assert "signed" in answer, shown(exchange, answer=answer)
        ours = answer["signed"]
        for name in ("authorization", "x-sdk-content-sha256"):
            assert values(ours["headers"], name) == values(headers, name), shown(
                exchange, url=url, canonical_request=ours["canonical_request"]
            )


def test_what_the_sdk_signed_is_valid_until_anything_covered_is_changed(ask):
    exchanges = drawn("sdk-hmac verified")
    questions, covered = [], []
    for number, exchange in enumerate(exchanges):
        dice = Draw(f"{SEED} sdk-hmac tampered {number}").dice
        headers, url = exchange.signed_by_the_sdk()
        covered.append(not values(headers, "x-sdk-content-sha256"))
        other_body = {"body": base64.b64encode(exchange.body + b"!").decode()}
        change = dice.choice([
            {"method": "TRACE"},
            {"url": url.replace("example", "example2").replace("8080", "8081").partition("?")[0] + "/more"},
            {"url": url + ("&" if "?" in url else "?") + "more=1"},
            {"secret": exchange.secret + "!"},
            {"time": exchange.time + 901},
            other_body if covered[-1] else {"method": "TRACE"},
            {"headers": [(name, value) for name, value in headers if name != "X-Sdk-Date"]},
        ])
        questions.append(exchange.question("verify", url, headers))
        questions.append(exchange.question("verify", change.pop("url", url), change.pop("headers", headers), **change))
    answers = ask(questions)
    for exchange, is_covered, valid, question, refused in zip(
        exchanges, covered, answers[::2], questions[1::2], answers[1::2]
    ):
        expected = {"key_id": exchange.key_id, "signed_at": exchange.time, "payload_signed": is_covered}
        assert valid == {"valid": expected}, shown(exchange, answer=valid)
        assert "rejected" in refused, shown(exchange, question=question)
