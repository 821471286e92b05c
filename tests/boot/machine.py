"""A Debian machine whose systemd is real, in a container, and the sandbox that it believes to be AWS.

It shares the host's network, so that a sandbox on the host's loopback is on its own, and nothing else: each
machine is a layer of its own above a root that debootstrap made, kept in memory, and gone with its test.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

# Longer than anything takes, so that only what hangs runs into it.
PATIENCE = 60


def eventually(what, look, patience=PATIENCE):
    """Looks until something comes of it. Bounded, and as quick as what is looked for."""
    deadline = time.monotonic() + patience
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"within {patience} s: {what}")
        time.sleep(0.05)


def call(command, *, check=True, text=None, timeout=PATIENCE):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=text)
    if check and done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


class Machine:
    def __init__(self, layers, scratch, name):
        """`layers` are folders, the upper one first, which nothing is written to."""
        self.layer = scratch / name
        self.root = self.layer / "root"
        for folder in ("upper", "work", "root"):
            (self.layer / folder).mkdir(parents=True)
        options = f"lowerdir={layers},upperdir={self.layer / 'upper'},workdir={self.layer / 'work'}"
        call(["mount", "-t", "overlay", "pin53", "-o", options, str(self.root)])
        self.console = self.layer / "console"
        self.container = None
        self.leader = None

    def write(self, path, text, mode=0o644):
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def read(self, path):
        return (self.root / path.lstrip("/")).read_text()

    def exists(self, path):
        # A link of the machine's means a place in the machine, not in the host.
        return self.shell(f"test -e {path}", check=False).returncode == 0

    def unit(self, unit, section="Service", **settings):
        """A drop-in, which stands over what the package brings."""
        lines = [f"[{section}]"]
        for key, values in settings.items():
            lines += [f"{key}={value}" for value in (values if isinstance(values, list) else [values])]
        place = f"/etc/systemd/system/{unit}.d"
        number = len(list((self.root / place.lstrip("/")).glob("*"))) if (self.root / place.lstrip("/")).exists() else 0
        self.write(f"{place}/{number}.conf", "\n".join(lines) + "\n")

    def put(self, file, folder="/root"):
        """Copies a file of the host's into the machine, and tells where it is there."""
        file = pathlib.Path(file)
        place = self.root / folder.lstrip("/") / file.name
        place.write_bytes(file.read_bytes())
        return f"{folder}/{file.name}"

    def install(self, package):
        """What dpkg says of it. It keeps the configuration, and doesn't wait for a disk that there isn't."""
        dpkg = "DEBIAN_FRONTEND=noninteractive dpkg --force-confold --force-unsafe-io --install"
        return self.says(f"{dpkg} {self.put(package)} 2>&1")

    def boot(self):
        """Starts it, and comes back when its systemd can be talked to."""
        command = ["systemd-nspawn", "--quiet", f"--directory={self.root}", "--register=no", "--keep-unit", "--boot"]
        # Nothing that the host's own machines are called.
        command += [f"--machine={self.layer.name}", "--resolv-conf=off", "--timezone=off"]
        with self.console.open("w") as console:
            self.container = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self.leader = eventually("the container has a first process", self._find_leader)
        eventually("systemd answers", lambda: self._answers())
        return self

    def _find_leader(self):
        if self.container.poll() is not None:
            raise AssertionError(f"the container has ended: {self.console.read_text()}")
        found = self.container.pid
        for generation in range(2):
            children = pathlib.Path(f"/proc/{found}/task/{found}/children").read_text().split()
            for child in children:
                status = pathlib.Path(f"/proc/{child}/status").read_text()
                if re.search(r"^NSpid:.*\t1$", status, re.MULTILINE):
                    return child
            if not children:
                return None
            found = children[0]
        return None

    def _answers(self):
        state = self.shell("systemctl is-system-running", check=False).stdout.strip()
        return state in ("starting", "running", "degraded")

    def booted(self, patience=PATIENCE):
        """Waits until nothing of the boot is left to be done, and tells how it went."""
        return eventually(
            "the boot is over",
            lambda: self.shell("systemctl is-system-running --wait", check=False).stdout.strip(),
            patience,
        )

    def shell(self, script, check=True, timeout=PATIENCE):
        """Runs a line in the machine, booted or not."""
        if self.leader is None:
            return call(["chroot", str(self.root), "/bin/sh", "-c", script], check=check, timeout=timeout)
        inside = ["nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd"]
        return call([*inside, "/bin/sh", "-c", script], check=check, timeout=timeout)

    def says(self, script):
        return self.shell(script).stdout.strip()

    def property(self, unit, name):
        return self.says(f"systemctl show --property={name} --value {unit}")

    def journal(self, unit="pin53.service"):
        return self.says(f"journalctl --quiet --output=cat --unit={unit}")

    def is_logged(self, text, unit="pin53.service"):
        return text in self.journal(unit)

    def shut_down(self):
        """As by a person: every unit is stopped in its order."""
        os.kill(self.container.pid, signal.SIGTERM)
        self.container.wait(timeout=PATIENCE)
        self.leader = None

    def off(self):
        """As by a cut of the power."""
        if self.leader is not None:
            os.kill(int(self.leader), signal.SIGKILL)
        if self.container is not None:
            self.container.wait(timeout=PATIENCE)
        call(["umount", "--lazy", str(self.root)])


class Sandbox:
    """`pin53 sandbox` on the host."""

    def __init__(self, binary, *options):
        command = [binary, "sandbox", "--keys", *options]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.environment = {}
        self.dns = None
        for line in self.process.stdout:
            if export := re.match(r"export (\w+)='(.*)'$", line):
                self.environment[export[1]] = export[2]
            elif dns := re.match(r"# dns ([\d.]+):(\d+)", line):
                self.dns = (dns[1], dns[2])
            elif line.strip() == "# ready":
                break
        # The unit has a state directory of its own, and the instance's role. The key is for whoever is handed it.
        self.environment.pop("STATE_DIRECTORY")
        self.key = {name: self.environment.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        self.metadata = self.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"]

    def variables(self):
        """As `Environment=` lines of a unit."""
        return [f'"{name}={value}"' for name, value in self.environment.items()]

    def served(self, name="vpn.example.com"):
        """What its name servers answer."""
        address, port = self.dns
        return call(["dig", "+short", f"@{address}", "-p", port, name, "CNAME"]).stdout.strip().rstrip(".")

    def _ask(self, method, path, body=None):
        url = f"{self.metadata}/sandbox/{path}"
        request = urllib.request.Request(url, method=method, data=None if body is None else body.encode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return answer.read().decode()

    def change(self, **changes):
        self._ask("PUT", "instance", json.dumps({key.replace("_", "-"): value for key, value in changes.items()}))

    def move(self, host):
        self.change(public_hostname=host)

    def host(self):
        return json.loads(self._ask("GET", "instance"))["public-hostname"]

    def misbehave(self, fault):
        self._ask("POST", "fault", fault)

    def behave(self):
        self._ask("DELETE", "fault")

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.process.stdout.close()
