"""The services that credentials come from, served on the loopback: metadata, container, STS, IAM Identity Center.

What they give depends on what they are asked, on all of it, so that whoever asks another question gets other
credentials. Not here: whether a signature is right (the sandbox and moto judge that).
"""

import hashlib
import http.server
import json
import threading
import urllib.parse

ROLE = "vpn"
END = "2030-01-01T00:00:00Z"
# What clients call a session that nobody has named.
OWN_SESSIONS = ("botocore-session-", "pin53")


def keys_for(*question):
    """Credentials that only this question gives."""
    digest = hashlib.sha256(json.dumps(question).encode()).hexdigest()
    return {"id": "ASIA" + digest[:16].upper(), "secret": "sentinel" + digest[16:40], "token": "sentinel" + digest[40:]}


class Neighbours:
    """Everybody that a chain may ask, on one port. `role` is the instance's; `status` is how STS and the container
    answer, and `silent_hosts` nobody."""

    def __init__(self, role=ROLE, statuses=()):
        self.role, self.statuses = role, list(statuses)
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.answer(self, "")

            do_PUT = do_GET

            def do_POST(self):
                outer.answer(self, self.rfile.read(int(self.headers["Content-Length"])).decode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def env(self):
        return {
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url,
            "AWS_ENDPOINT_URL_STS": self.url,
            "AWS_ENDPOINT_URL_SSO": self.url,
            "AWS_ENDPOINT_URL_SSO_OIDC": self.url,
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }

    def answer(self, request, body):
        path = urllib.parse.urlsplit(request.path)
        self.asked.append(f"{request.command} {path.path}")
        if path.path.startswith("/latest/"):
            status, kind, text = self.metadata(request, path.path)
        elif self.statuses:
            status, kind, text = self.statuses.pop(0), "text/plain", ""
        elif path.path == "/token":
            status, kind, text = self.sso_token(json.loads(body))
        elif request.command == "POST":
            status, kind, text = self.sts(request, dict(urllib.parse.parse_qsl(body)))
        elif path.path == "/federation/credentials":
            status, kind, text = self.sso(request, dict(urllib.parse.parse_qsl(path.query)))
        else:
            status, kind, text = self.container(request)
        data = text.encode()
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def metadata(self, request, path):
        if path == "/latest/api/token" and request.command == "PUT":
            return 200, "text/plain", "metadata-token"
        if request.headers["X-aws-ec2-metadata-token"] != "metadata-token":
            return 401, "text/plain", ""
        below = path.removeprefix("/latest/meta-data/iam/security-credentials/")
        if self.role and below == "":
            return 200, "text/plain", self.role
        if self.role and below == self.role:
            keys = keys_for("metadata", self.role)
            document = {"Code": "Success", "LastUpdated": END, "Type": "AWS-HMAC", "Expiration": END}
            document |= {"AccessKeyId": keys["id"], "SecretAccessKey": keys["secret"], "Token": keys["token"]}
            return 200, "text/plain", json.dumps(document)
        return 404, "text/html", "<html></html>"

    def container(self, request):
        keys = keys_for("container", request.path, request.headers["Authorization"])
        document = {"Expiration": END, "RoleArn": ""}
        document |= {"AccessKeyId": keys["id"], "SecretAccessKey": keys["secret"], "Token": keys["token"]}
        return 200, "application/json", json.dumps(document)

    def sts(self, request, form):
        if form["RoleSessionName"].startswith(OWN_SESSIONS):
            form["RoleSessionName"] = "own"
        scope = (request.headers["Authorization"] or "unsigned").split(",")[0]
        # The day is the clock's.
        signer = [part for part in scope.split("/") if not part.isdigit()]
        if "denied" in form["RoleArn"]:
            error = "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>"
            return 403, "text/xml", f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"
        token = request.headers["X-Amz-Security-Token"]
        keys = keys_for("sts", sorted(form.items()), signer, token)
        action = form["Action"]
        text = (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
            f"<AccessKeyId>{keys['id']}</AccessKeyId><SecretAccessKey>{keys['secret']}</SecretAccessKey>"
            f"<SessionToken>{keys['token']}</SessionToken><Expiration>{END}</Expiration></Credentials>"
            f"<AssumedRoleUser><AssumedRoleId>A:x</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/x/y</Arn>"
            f"</AssumedRoleUser></{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
            f"</{action}Response>"
        )
        return 200, "text/xml", text

    def sso_token(self, asked):
        if asked["refreshToken"] == "sentinel-ended":
            return 400, "application/json", json.dumps({"error": "invalid_grant"})
        token = keys_for("sso token", sorted(asked.items()))["token"]
        renewed = {"accessToken": token, "expiresIn": 28800, "tokenType": "Bearer", "refreshToken": "sentinel-next"}
        return 200, "application/json", json.dumps(renewed)

    def sso(self, request, query):
        keys = keys_for("sso", sorted(query.items()), request.headers["x-amz-sso_bearer_token"])
        role = {"accessKeyId": keys["id"], "secretAccessKey": keys["secret"], "sessionToken": keys["token"]}
        return 200, "application/json", json.dumps({"roleCredentials": role | {"expiration": 1893456000000}})
