"""Judges the status page by a browser and the metrics by the parsers of those that scrape them.

The pictures of the page stay in target/ci/screenshots, for a person to look at.
"""

import json
import re
import shutil
import subprocess
import urllib.request

import pytest
from conftest import TARGET
from peers import PATIENCE, run, waited_for
from prometheus_client.openmetrics.parser import text_string_to_metric_families

NAME = "vpn.example.com"
HOST = "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com"
MOVED = "ec2-203-0-113-99.eu-west-1.compute.amazonaws.com"
SCREENSHOTS = TARGET / "ci" / "screenshots"


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


@pytest.fixture
def site(sandbox, start_daemon, tmp_path):
    """A daemon with a page: one name that has moved once, and one that can't be told."""
    file = tmp_path / "pin53.toml"
    file.write_text(
        'watch = "1s"\nlisten = "127.0.0.1:0"\n'
        f'[[record]]\nname = "{NAME}"\n'
        '[[record]]\nname = "db.example.com"\ntype = "A"\nsource = "file:/nowhere/<b>address</b>"\n'
    )
    daemon = start_daemon(sandbox.env, "--config", str(file))
    found, _ = waited_for(lambda: re.search(r"status page on (http://\S+)/", daemon.logged()))
    waited_for(lambda: daemon.logged().count("in sync: ") == 1)
    sandbox.move(MOVED)
    waited_for(lambda: daemon.logged().count("in sync: ") == 2)
    return found[1]


@pytest.fixture
def chromium(tmp_path):
    """Runs a headless Chromium with nothing of anybody's in it."""

    def call(*options):
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += ["--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={tmp_path / 'browser'}"]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        return run([*command, *options], environment, timeout=90)

    return call


def test_the_page_is_read_in_a_browser(site, chromium):
    ran = chromium("--dump-dom", "--enable-logging=stderr", site + "/")
    dom = ran.stdout
    assert "1 of 2 records as wanted" in dom, ran.stderr
    assert HOST in dom and MOVED in dom and "in sync after" in dom
    assert "<b>address</b>" not in dom and "&lt;b&gt;address" in dom
    # The browser follows the policy that the page comes with, and has nothing to complain of.
    assert "Content Security Policy" not in ran.stderr, ran.stderr


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desk"])
def test_the_page_has_its_picture_taken(site, chromium, scheme, size):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    picture = SCREENSHOTS / f"status-{size}-{scheme}.png"
    picture.unlink(missing_ok=True)
    # Blink's numbers for the schemes that a person prefers.
    preferred = {"dark": 0, "light": 1}[scheme]
    width, height = {"phone": (500, 1100), "desk": (1200, 900)}[size]
    ran = chromium(
        f"--screenshot={picture}",
        f"--window-size={width},{height}",
        f"--blink-settings=preferredColorScheme={preferred}",
        site + "/",
    )
    assert picture.exists(), ran.stderr
    # A picture of nothing is much smaller.
    assert picture.stat().st_size > 15_000


def test_the_metrics_are_open_metrics(site):
    kind, text = get(site + "/metrics", Accept="application/openmetrics-text;version=1.0.0")
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(name.startswith("pin53_") for name in families)
    sample = lambda family, **labels: [
        sample.value for sample in families[family].samples if labels.items() <= sample.labels.items()
    ]
    assert sample("pin53_requests", operation="ChangeResourceRecordSets", code="200") == [2]
    assert sample("pin53_outcomes", name=NAME, outcome="changed") == [2]
    assert sample("pin53_as_wanted", name=NAME) == [1]
    assert sample("pin53_as_wanted", name="db.example.com") == [0]
    assert sample("pin53_since_in_sync_seconds", name=NAME)[0] < PATIENCE
    assert abs(sample("pin53_clock_offset_seconds")[0]) < 5
    assert sample("pin53_credentials_remaining_seconds")[0] > 60
    assert sample("pin53_request_duration_seconds", operation="metadata", le="+Inf")[0] >= 1


def test_promtool_has_nothing_to_say_about_the_metrics(site):
    kind, text = get(site + "/metrics", Accept="text/plain")
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    promtool = shutil.which("promtool") or pytest.fail("promtool isn't on PATH: .ci/run interop installs it")
    ran = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=PATIENCE)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


def test_status_and_the_page_tell_the_same(site, sandbox, pin53):
    _, text = get(site + "/status.json")
    served = json.loads(text)
    variables = {"PIN53_LISTEN": site.removeprefix("http://")}
    asked = json.loads(pin53(sandbox.env | variables, "status", "--json").stdout)
    kept = json.loads(pin53(sandbox.env, "status", "--json").stdout)
    of = lambda document: [(record["name"], record["outcome"], record["last_change"]) for record in document["records"]]
    assert of(served) == of(asked) == of(kept)
    assert [record["outcome"] for record in served["records"]][1] == "left"
    assert pin53(sandbox.env, "status", "--check").returncode == 75
