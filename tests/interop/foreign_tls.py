"""TLS that isn't ours: an authority made by openssl, a server and a proxy made by Python.

Not here: what they answer; the server passes everything on to a sandbox.
"""

import contextlib
import datetime
import http.client
import http.server
import select
import socket
import socketserver
import ssl
import subprocess
import threading
import urllib.parse

PATIENCE = 20


class Authority:
    """A private certificate authority in a directory, by way of the openssl command."""

    def __init__(self, directory, name="interop"):
        self.directory = directory / name
        self.directory.mkdir()
        self.file = self.directory / "ca.pem"
        self.key = self.directory / "ca.key"
        (self.directory / "index.txt").touch()
        (self.directory / "ca.cnf").write_text(
            f"""
            [ca]
            default_ca = own
            [own]
            database = {self.directory}/index.txt
            new_certs_dir = {self.directory}
            certificate = {self.file}
            private_key = {self.key}
            rand_serial = yes
            unique_subject = no
            default_md = sha256
            policy = names
            [names]
            commonName = supplied
            [server]
            basicConstraints = critical, CA:FALSE
            extendedKeyUsage = serverAuth
            subjectAltName = IP:127.0.0.1, DNS:localhost
            [stranger]
            basicConstraints = critical, CA:FALSE
            extendedKeyUsage = serverAuth
            subjectAltName = IP:192.0.2.1, DNS:route53.example
            """
        )
        self.openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-addext", "keyUsage=critical,keyCertSign", "-keyout", self.key, "-out", self.file,
        )  # fmt: skip

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.directory, check=True, capture_output=True)

    def server(self, begins_in_days, ends_in_days, who="server"):
        """A server's TLS with a certificate of this authority; a `stranger` is certified for other names."""
        now = datetime.datetime.now(datetime.timezone.utc)
        begins, ends = (
            (now + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ") for days in (begins_in_days, ends_in_days)
        )
        self.openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=front",
            "-keyout", "front.key", "-out", "front.csr",
        )  # fmt: skip
        self.openssl(
            "ca", "-batch", "-notext", "-config", "ca.cnf", "-extensions", who,
            "-startdate", begins, "-enddate", ends, "-in", "front.csr", "-out", "front.pem",
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "front.pem", self.directory / "front.key")
        return context


class Front(http.server.ThreadingHTTPServer):
    """Passes what comes in over TLS on to `behind`, with the Host that it came with."""

    daemon_threads = True

    def __init__(self, context, behind):
        self.context = context
        self.behind = urllib.parse.urlsplit(behind).netloc
        self.passed_on = []
        self.broken_off = []
        super().__init__(("127.0.0.1", 0), Passing)
        self.url = f"https://127.0.0.1:{self.server_port}"

    def get_request(self):
        connection, address = super().get_request()
        connection.settimeout(PATIENCE)
        # Shaking hands is for the connection's own thread: a client may connect long before it speaks.
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request, address):
        self.broken_off.append(address)


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.passed_on.append((self.command, self.path))
        behind = http.client.HTTPConnection(self.server.behind, timeout=PATIENCE)
        behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            behind.putheader(name, value)
        behind.endheaders(body)
        answer = behind.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        behind.close()

    do_GET = do_POST = pass_on

    def log_message(self, *_):
        pass


class Proxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy that notes what it is asked for, and connects to it."""

    daemon_threads = True

    def __init__(self):
        self.asked = []
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.url = "http://127.0.0.1:{}".format(self.server_address[1])


class Tunnel(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode()
        self.server.asked.append(line.strip())
        while self.rfile.readline().strip():
            pass
        method, target, _ = line.split()
        if method != "CONNECT":
            self.wfile.write(b"HTTP/1.1 403 Only CONNECT\r\nContent-Length: 0\r\n\r\n")
            return
        host, port = target.rsplit(":", 1)
        with socket.create_connection((host, int(port)), PATIENCE) as there:
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            other = {self.connection: there, there: self.connection}
            while ready := select.select(list(other), [], [], PATIENCE)[0]:
                for side in ready:
                    if not (data := side.recv(65536)):
                        return
                    other[side].sendall(data)


@contextlib.contextmanager
def serving(server):
    """Runs a server for as long as it is needed."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
