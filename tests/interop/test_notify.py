"""Judges notifications where they arrive: at `pin53 capture`, which checks signatures, and at moto's Lambda and SNS."""

import io
import json
import signal
import subprocess
import urllib.request
import zipfile

import boto3
import pytest
from peers import Process, in_environment, lines_until, plain_environment, waited_for

NAME = "vpn.example.com"
HOST = "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com"
MOVED = "ec2-203-0-113-99.eu-west-1.compute.amazonaws.com"
ONCE = ("--once", "--wait", "off")
REGION = "us-east-1"


class Capture(Process):
    """`pin53 capture`, and what it has shown."""

    def __init__(self, binary, home, *options):
        self.log = home / "capture.log"
        command = [binary, "capture", "--json", "--log", self.log, *options]
        self.process = subprocess.Popen(command, env=plain_environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        [*_, line] = lines_until(self.process.stderr, self.process, r"^listening on ")
        self.url = line.removeprefix("listening on ")

    def requests(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.fixture
def capture(pin53_binary, tmp_path):
    started = []

    def start(*options):
        started.append(Capture(pin53_binary, tmp_path, *options))
        return started[-1]

    yield start
    for process in started:
        process.end()


def config(tmp_path, *notifications):
    file = tmp_path / "pin53.toml"
    file.write_text(f'[[record]]\nname = "{NAME}"\n' + "".join(f"[[notify]]\n{lines}\n" for lines in notifications))
    return ("--config", str(file))


def test_a_webhook_signed_by_sdk_hmac_is_valid_to_the_capturer(pin53, sandbox, capture, tmp_path):
    keys, secret = tmp_path / "keys.toml", tmp_path / "credentials" / "gateway"
    keys.write_text('gateway-key = "some secret"\n')
    secret.parent.mkdir()
    secret.write_text("some secret\n")
    server = capture("--scheme", "sdk-hmac", "--keys", str(keys))
    signed = f'webhook = "{server.url}/v1/told?a=b%20c"\nkey = "gateway-key"\nsecret_file = "gateway"'
    file = config(tmp_path, signed)
    credentials = {"CREDENTIALS_DIRECTORY": str(secret.parent)}
    done = pin53(sandbox.env | credentials, *ONCE, *file)
    assert (done.returncode, done.stderr) == (0, ""), done
    [request] = server.requests()
    assert "valid" in json.dumps(request) and "mismatch" not in json.dumps(request), request

    secret.write_text("another secret\n")
    sandbox.move(MOVED)
    done = pin53(sandbox.env | credentials, *ONCE, *file)
    assert done.returncode == 0 and "answered with status 401" in done.stderr, done
    assert "another" not in done.stderr


def test_webhooks_hold_the_name_and_both_values_and_presets_their_form(pin53, sandbox, hooks, tmp_path):
    forms = ("slack", "discord", "ntfy", "healthchecks", "uptime-kuma")
    blocks = [f'webhook = "{hooks.url}/{form}"\npreset = "{form}"' for form in forms]
    own = f'webhook = "{hooks.url}/own"\nheaders = {{ Authorization = "Bearer sentinel" }}\n'
    own += "template = '{\"say\": \"{{ event }} {{ name }} {{ before }} {{ after }}\"}'"
    file = config(tmp_path, f'webhook = "{hooks.url}/plain"', own, *blocks)
    pin53(sandbox.env, *ONCE, *file)
    hooks.got.clear()
    sandbox.move(MOVED)
    done = pin53(sandbox.env | {"PIN53_LOG": "trace"}, *ONCE, *file)
    assert done.returncode == 0, done
    assert "sentinel" not in done.stderr
    got = {path.split("?")[0]: (method, path, headers, body) for method, path, headers, body in hooks.got}
    assert len(hooks.got) == 7, hooks.got
    plain = json.loads(got["/plain"][3])
    assert (plain["event"], plain["name"]) == ("changed", NAME)
    assert (plain["before"]["values"], plain["after"]["values"]) == ([HOST], [MOVED])
    assert got["/own"][2]["authorization"] == "Bearer sentinel"
    assert json.loads(got["/own"][3]) == {"say": f"changed {NAME} {HOST} {MOVED}"}
    assert MOVED in json.loads(got["/slack"][3])["text"]
    assert MOVED in json.loads(got["/discord"][3])["content"] and json.loads(got["/discord"][3])["allowed_mentions"] == {"parse": []}
    assert MOVED in got["/ntfy"][3] and got["/ntfy"][2]["title"] == "pin53: changed"
    assert MOVED in got["/healthchecks"][3]
    assert got["/uptime-kuma"][0] == "GET" and "status=up" in got["/uptime-kuma"][1] and MOVED in got["/uptime-kuma"][1]


def test_trouble_and_its_end_are_told_once_over_the_runs_of_a_timer(pin53, sandbox, hooks, tmp_path):
    file = config(tmp_path, f'on = ["failed", "recovered"]\nwebhook = "{hooks.url}/"')
    sandbox.fault("access-denied:always")
    for _ in range(3):
        assert pin53(sandbox.env, *ONCE, *file).returncode == 77
    sandbox.control("DELETE", "/sandbox/fault")
    for _ in range(2):
        assert pin53(sandbox.env, *ONCE, *file).returncode == 0
    assert [json.loads(body)["event"] for *_, body in hooks.got] == ["failed", "recovered"]


def test_a_dead_listener_neither_changes_the_status_nor_holds_a_run_up_for_long(pin53, sandbox, tmp_path):
    file = config(tmp_path, 'webhook = "http://127.0.0.1:9/sentinel"')
    done = pin53(sandbox.env, *ONCE, *file)
    assert done.returncode == 0 and done.stdout.startswith(f"changed {NAME} "), done
    assert done.stderr.count("could not notify webhook http://127.0.0.1:9") == 1 and "sentinel" not in done.stderr, done


def test_nothing_is_told_of_what_is_only_said(pin53, sandbox, hooks, tmp_path):
    file = config(tmp_path, f'webhook = "{hooks.url}/"')
    assert pin53(sandbox.env, *ONCE, "--dry-run", *file).stdout.startswith("would change")
    assert pin53(sandbox.env, "plan", *file).returncode == 0
    assert hooks.got == []


def test_the_daemon_tells_and_goes_on_with_other_listeners_after_sighup(sandbox, start_daemon, hooks, tmp_path):
    file = config(tmp_path, f'webhook = "{hooks.url}/first"')
    daemon = start_daemon(sandbox.env, "--watch", "1s", *file)
    waited_for(lambda: len(hooks.got) == 1)
    config(tmp_path, f'webhook = "{hooks.url}/second"')
    daemon.process.send_signal(signal.SIGHUP)
    waited_for(lambda: "configuration read again" in daemon.logged())
    sandbox.move(MOVED)
    waited_for(lambda: len(hooks.got) == 2)
    assert [path for _, path, *_ in hooks.got] == ["/first", "/second"]
    assert daemon.stop()[0] == 0


@pytest.fixture
def aws(moto, sandbox):
    """moto for everything but Route 53 and the metadata."""
    url = moto.env["AWS_ENDPOINT_URL_ROUTE_53"]
    request = urllib.request.Request(url + "/moto-api/config", json.dumps({"lambda": {"use_docker": False}}).encode(), method="POST")
    urllib.request.urlopen(request, timeout=20).close()
    return sandbox.env | {"AWS_ENDPOINT_URL_LAMBDA": url, "AWS_ENDPOINT_URL_SNS": url, "AWS_REGION": REGION}


def client(moto, service):
    with in_environment(plain_environment(moto.home) | moto.env):
        return boto3.session.Session().client(service, endpoint_url=moto.env["AWS_ENDPOINT_URL_ROUTE_53"])


def test_a_message_reaches_an_sns_topic_of_moto(pin53, moto, aws, tmp_path):
    sns, sqs = client(moto, "sns"), client(moto, "sqs")
    topic = sns.create_topic(Name="told")["TopicArn"]
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    done = pin53(aws, *ONCE, *config(tmp_path, f'sns = "{topic}"'))
    assert (done.returncode, done.stderr) == (0, ""), done
    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    outer = json.loads(message["Body"])
    assert outer["Subject"] == f"pin53: changed {NAME}"
    inner = json.loads(outer["Message"])
    assert (inner["name"], inner["after"]["values"]) == (NAME, [HOST])
    sns.delete_topic(TopicArn=topic)


def test_a_function_of_moto_is_invoked_as_an_event(pin53, moto, aws, tmp_path):
    iam, functions = client(moto, "iam"), client(moto, "lambda")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="told", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("told.py", "def handler(event, context):\n    return event\n")
    functions.create_function(
        FunctionName="told", Runtime="python3.12", Role=role, Handler="told.handler", Code={"ZipFile": package.getvalue()}
    )
    for n, place in enumerate(("told", f"arn:aws:lambda:{REGION}:123456789012:function:told")):
        done = pin53(aws, *ONCE, "--name", f"{n}.example.com", *config(tmp_path, f'lambda = "{place}"'))
        assert (done.returncode, done.stderr) == (0, ""), done


def test_a_function_is_called_as_botocore_calls_it(pin53, sandbox, hooks, tmp_path):
    elsewhere = sandbox.env | {"AWS_ENDPOINT_URL_LAMBDA": hooks.url, "AWS_REGION": REGION}
    function = f"arn:aws:lambda:{REGION}:123456789012:function:told:live"
    assert pin53(elsewhere, *ONCE, *config(tmp_path, f'lambda = "{function}"')).returncode == 0
    [(method, path, headers, body)] = hooks.got
    with in_environment(plain_environment(tmp_path) | elsewhere):
        session = boto3.session.Session(region_name=REGION)
        session.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=body)
    theirs = hooks.got[1]
    assert (method, path, body) == (theirs[0], theirs[1], theirs[3])
    assert headers["x-amz-invocation-type"] == theirs[2]["x-amz-invocation-type"]
    scope = lambda headers: headers["authorization"].split("/")[2:4]
    assert scope(headers) == scope(theirs[2])
