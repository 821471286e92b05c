#!/usr/bin/env python3
"""Measures the release binary against its own sandbox, and prints what a run costs.

    cargo build --release && tests/bench/once.py [BINARY]

For each case: wall and CPU time (median of the runs), peak memory, requests to either service,
connections to Route 53, and instructions. Then `plan` in a small and in a large zone, and the daemon: resident
memory, threads, CPU, and what it asks for while nothing changes. Then the toolbox: what a signature
costs as a whole process, and how many requests a second `capture` takes. Needs GNU time and valgrind.
Ends with 1 when something that can be counted, not timed, is above its bound.
"""

import concurrent.futures
import json
import os
import re
import resource
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

BINARY = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/pin53")
RUNS = 9
MOST_BYTES = 7e6
MOST_INSTRUCTIONS = 9e6
MOST_MEMORY = 9  # MiB
MOST_TO_SIGN = 3e6  # instructions
BROKEN = []


def bound(what, found, most):
    if found > most:
        BROKEN.append(f"{what}: {found} is more than {most}")


class Sandbox:
    """A `pin53 sandbox` and the environment that points at it."""

    def __init__(self, *options):
        self.process = subprocess.Popen([BINARY, "sandbox", *options], stdout=subprocess.PIPE, text=True)
        self.env = {}
        for line in self.process.stdout:
            match = re.match(r"export (\w+)=(.*)", line)
            if match:
                self.env[match[1]] = shlex.split(match[2])[0]
            if line.startswith("# ready"):
                break
        self.metadata = self.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"]

    def get(self, path):
        with urllib.request.urlopen(self.metadata + path, timeout=5) as answer:
            return json.load(answer)

    def move(self, number):
        body = json.dumps({"public-hostname": f"ec2-203-0-113-{number}.compute-1.amazonaws.com"}).encode()
        request = urllib.request.Request(self.metadata + "/sandbox/instance", data=body, method="PUT")
        urllib.request.urlopen(request, timeout=5).read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def plain():
    """Nothing of the user's own AWS settings: a CA bundle costs more to read than a request."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def environment(sandbox, state):
    return plain() | sandbox.env | {"STATE_DIRECTORY": state}


def once(sandbox, state, prefix=()):
    command = [*prefix, BINARY, "--once", "--json", "--wait", "off", "--name", "vpn.example.com"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, env=environment(sandbox, state), capture_output=True, text=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    cpu = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    return wall, cpu, json.loads(done.stdout), done.stderr


def measure(title, options, move, keep_state, most_requests):
    """One row: `move` changes the address before each run, `keep_state` lets a run know the one before."""
    with Sandbox(*options) as sandbox, tempfile.TemporaryDirectory() as root:
        state = os.path.join(root, "state")
        once(sandbox, state)
        number = [0]

        def prepare():
            if move:
                number[0] = number[0] % 250 + 1
                sandbox.move(number[0])
            if not keep_state:
                shutil.rmtree(state, ignore_errors=True)

        walls, cpus = [], []
        for _ in range(RUNS):
            prepare()
            first = sandbox.get("/sandbox/stats")
            wall, cpu, report, _ = once(sandbox, state)
            last = sandbox.get("/sandbox/stats")
            walls.append(wall)
            cpus.append(cpu)
        wanted = "changed" if move else "unchanged"
        if report["records"][0]["outcome"] != wanted:
            sys.exit(f"{title}: wanted {wanted}, got {report}")
        prepare()
        *_, timed = once(sandbox, state, ["/usr/bin/time", "-f", "peak %M"])
        peak = int(re.search(r"peak (\d+)", timed)[1]) / 1024
        bound(f"{title}: peak memory", round(peak, 1), MOST_MEMORY)
        instructions = "-"
        if shutil.which("valgrind"):
            prepare()
            log = os.path.join(root, "callgrind")
            tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log}"]
            once(sandbox, state, tool)
            with open(log) as lines:
                counted = re.search(r"Collected : (\d+)", lines.read())
            bound(f"{title}: instructions", int(counted[1]), MOST_INSTRUCTIONS)
            instructions = f"{int(counted[1]) / 1e6:.2f} M"
        def spent(side, what):
            return last[side][what] - first[side][what]

        for side, most in zip(("imds", "route53"), most_requests):
            bound(f"{title}: {side} requests", spent(side, "requests"), most)
        bound(f"{title}: connections", spent("route53", "connections"), 1)
        print(
            f"{title:41} {statistics.median(walls) * 1e3:7.1f} ms {statistics.median(cpus) * 1e3:6.1f} ms "
            f"{peak:6.1f} MiB {instructions:>9} {spent('imds', 'requests'):>5} + {spent('route53', 'requests')} "
            f"{spent('route53', 'connections'):>6}"
        )


def fill(sandbox, records):
    """Has the sandbox's zone hold so many more records."""
    environment = plain() | sandbox.env
    signed = [BINARY, "curl", "--scheme", "sigv4", "--region", "us-east-1", "--service", "route53", "--", "-sS", "-f"]
    url = sandbox.env["AWS_ENDPOINT_URL_ROUTE_53"] + "/2013-04-01/hostedzone"
    listed = subprocess.run([*signed, url], env=environment, check=True, capture_output=True, text=True).stdout
    zone = re.search(r"<Id>/hostedzone/(\w+)</Id>", listed)[1]
    for start in range(0, records, 1000):
        changes = "".join(
            "<Change><Action>CREATE</Action><ResourceRecordSet>"
            f"<Name>filler-{n}.example.com</Name><Type>A</Type><TTL>60</TTL>"
            "<ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>"
            "</ResourceRecordSet></Change>"
            for n in range(start, min(start + 1000, records))
        )
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as body:
            body.write(
                '<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">'
                f"<ChangeBatch><Changes>{changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
            )
            body.flush()
            command = [*signed, "-H", "Content-Type: text/xml", "--data-binary", "@" + body.name, f"{url}/{zone}/rrset/"]
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return zone


def sizes(most=1.05):
    """`pin53 plan` for one name, in a zone of ten records and in one of nearly as many as a zone can have."""
    print("\npin53 plan, one name in a zone of:")
    peaks = []
    for records in (10, 9_990):
        with Sandbox() as sandbox, tempfile.TemporaryDirectory() as root:
            config = os.path.join(root, "pin53.toml")
            with open(config, "w") as file:
                file.write(f"[[record]]\nname = 'vpn.example.com'\nzone = '{fill(sandbox, records)}'\n")
            command = [BINARY, "plan", "--config", config]
            before = sandbox.get("/sandbox/stats")["route53"]["requests"]
            found = []
            for _ in range(RUNS):
                timed = ["/usr/bin/time", "-f", "peak %M", *command]
                done = subprocess.run(timed, env=environment(sandbox, root), check=True, capture_output=True, text=True)
                found.append(int(re.search(r"peak (\d+)", done.stderr)[1]) / 1024)
            requests = (sandbox.get("/sandbox/stats")["route53"]["requests"] - before) / RUNS
            peaks.append(statistics.median(found))
            print(f"  {records:5} records: {peaks[-1]:.1f} MiB at most, {requests:g} requests to Route 53")
            bound(f"plan in a zone of {records}: requests", requests, 1)
    bound("plan: memory in the large zone by that in the small one", round(peaks[1] / peaks[0], 2), most)


def daemon(idle, moves, watch, names=20):
    """A daemon with some names that is left alone for `idle` seconds, and then moved `moves` times."""
    with Sandbox("--tls") as sandbox, tempfile.TemporaryDirectory() as root:
        named = [word for n in range(names) for word in ("--name", f"host-{n}.example.com")]
        command = [BINARY, *named, "--watch", f"{watch}s", "--interval", "1h"]
        process = subprocess.Popen(command, env=environment(sandbox, root), stderr=subprocess.DEVNULL)

        def changed(times):
            deadline = time.monotonic() + 30
            while sandbox.get("/sandbox/stats")["route53"]["operations"].get("ChangeResourceRecordSets", 0) < times:
                if time.monotonic() > deadline:
                    sys.exit("the daemon did not follow")
                time.sleep(0.02)

        changed(1)
        # Past the look whether the change is on all name servers.
        time.sleep(8)
        first, started = sandbox.get("/sandbox/stats"), cpu_of(process.pid)
        time.sleep(idle)
        last, ended = sandbox.get("/sandbox/stats"), cpu_of(process.pid)
        print(f"\ndaemon, {names} names, TLS, a look every {watch} s, {idle} s in which nothing changes:")
        print(f"  resident {resident(process.pid)} MiB, threads {threads(process.pid)}, CPU {(ended - started) / idle * 100:.3f} % of a core")
        print(
            f"  requests: metadata {last['imds']['requests'] - first['imds']['requests']}, "
            f"Route 53 {last['route53']['requests'] - first['route53']['requests']}"
        )
        bound("daemon: Route 53 requests while nothing changes", last["route53"]["requests"] - first["route53"]["requests"], 0)
        bound("daemon: metadata requests while nothing changes", last["imds"]["requests"] - first["imds"]["requests"], idle // watch + 1)
        bound("daemon: threads", int(threads(process.pid)), 1)
        early = None
        for n in range(moves):
            sandbox.move(n + 1)
            changed(n + 2)
            if n == moves // 5:
                early = resident(process.pid)
        if moves:
            late = resident(process.pid)
            print(f"  after {names * (moves // 5)} changes {early} MiB resident, after {names * moves} changes {late} MiB")
        bound("daemon: resident memory", float(resident(process.pid)), MOST_MEMORY)
        process.terminate()
        stop = time.perf_counter()
        code = process.wait()
        print(f"  SIGTERM: exit {code} after {(time.perf_counter() - stop) * 1e3:.0f} ms")


SIGNED = {
    "aws3-https": ["https://route53.amazonaws.com/2013-04-01/hostedzone"],
    "sigv4": ["--data", "x" * 1024, "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1PA6795UKMFR9/rrset/"],
    "sigv4-query": ["https://iam.amazonaws.com/?Action=CreateUser&UserName=NewUser&Version=2010-05-08"],
    "azure": ["--method", "DELETE", "--header", "x-ms-version: 2023-11-03", "https://a.blob.core.windows.net/c/b"],
    "sdk-hmac": ["--data", "x" * 1024, "https://service.region.example.com/v1/things"],
}
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AZURE_STORAGE_ACCOUNT": "a",
    "AZURE_STORAGE_KEY": "c2VjcmV0",
    "SDK_HMAC_KEY": "key",
    "SDK_HMAC_SECRET": "secret",
}


def sign():
    """`pin53 sign` as a whole process, in each scheme."""
    print("\npin53 sign:")
    for scheme, arguments in SIGNED.items():
        command = [BINARY, "sign", "--scheme", scheme, *arguments]

        def spent(prefix=()):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*prefix, *command], env=plain() | KEYS, check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

        cpu = statistics.median(spent() for _ in range(4 * RUNS))
        with tempfile.NamedTemporaryFile("r") as log:
            spent(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log.name}"])
            counted = int(re.search(r"Collected : (\d+)", log.read())[1])
        bound(f"sign, {scheme}: instructions", counted, MOST_TO_SIGN)
        print(f"  {scheme:12} CPU {cpu * 1e3:.1f} ms, {counted / 1e6:.2f} M instructions")


def capture(clients=8, each=250, stalled=100):
    """`pin53 capture` that checks what arrives, while some connections stay half a request long."""
    with tempfile.TemporaryDirectory() as root:
        log = os.path.join(root, "log")
        command = [BINARY, "capture", "--json", "--log", log, "--scheme", "sdk-hmac"]
        process = subprocess.Popen(command, env=plain() | KEYS, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        url = process.stderr.readline().split()[-1]
        address = (url.split("/")[2].split(":")[0], int(url.rsplit(":", 1)[1]))
        signed = subprocess.run([BINARY, "sign", "--scheme", "sdk-hmac", url + "/"], env=plain() | KEYS, capture_output=True, text=True)
        wire = f"GET / HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n".encode() + signed.stdout.replace("\n", "\r\n").encode() + b"\r\n"
        held = [socket.create_connection(address) for _ in range(stalled)]
        for connection in held:
            connection.sendall(wire[:30])

        def ask(_):
            answers = 0
            for _ in range(each):
                with socket.create_connection(address, 10) as connection:
                    connection.sendall(wire)
                    answers += connection.makefile("rb").readline().startswith(b"HTTP/1.1 200 ")
            return answers

        started, start = cpu_of(process.pid), time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            answered = sum(pool.map(ask, range(clients)))
        took, cpu = time.perf_counter() - start, cpu_of(process.pid) - started
        memory = resident(process.pid)
        process.terminate()
        process.wait()
        asked = clients * each
        with open(log) as lines:
            logged = sum('"valid":true' in line for line in lines)
        print(f"\npin53 capture, {clients} clients, {stalled} stalled: {asked} signed requests, {answered} taken, {logged} logged;")
        print(f"  {asked / took:.0f} a second, CPU {cpu / asked * 1e3:.2f} ms each, {memory} MiB resident")
        bound("capture: requests that were not taken and logged", 2 * asked - answered - logged, 0)


def status_of(pid, field):
    with open(f"/proc/{pid}/status") as lines:
        return re.search(rf"{field}:\s+(\d+)", lines.read())[1]


def resident(pid):
    return f"{int(status_of(pid, 'VmRSS')) / 1024:.1f}"


def threads(pid):
    return status_of(pid, "Threads")


def cpu_of(pid):
    return int(open(f"/proc/{pid}/schedstat").read().split()[0]) / 1e9


def main():
    bound("bytes of the binary", os.path.getsize(BINARY), MOST_BYTES)
    print(f"binary {os.path.getsize(BINARY) / 1e6:.2f} MB; {RUNS} runs a row, medians\n")
    print(f"{'--once':41} {'wall':>10} {'CPU':>9} {'peak':>10} {'instr.':>9} {'IMDS + R53':>9} {'conn.':>6}")
    for label, options in (("http", []), ("TLS", ["--tls"]), ("TLS, Route 53 40 ms away", ["--tls", "--latency", "aws=40ms"])):
        measure(f"{label}: changed, zone unknown", options, True, False, (4, 4))
        measure(f"{label}: changed, zone known", options, True, True, (3, 2))
        measure(f"{label}: unchanged", options, False, True, (3, 1))
    start = time.perf_counter()
    subprocess.run([BINARY, "demo"], check=True, stdout=subprocess.DEVNULL)
    print(f"\ndemo: {time.perf_counter() - start:.1f} s")
    sizes()
    sign()
    capture()
    daemon(idle=30, moves=0, watch=5)
    daemon(idle=10, moves=50, watch=1)
    for broken in BROKEN:
        print(f"above its bound: {broken}")
    sys.exit(1 if BROKEN else 0)


main()
