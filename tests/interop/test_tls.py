"""Judges pin53's TLS on a server and an authority that aren't ours, and which way its requests take."""

import pytest
from foreign_tls import Authority, Front, Proxy, serving

NAME = "vpn.example.com"
HOST = "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certified(authority):
    return authority.server(-1, 1)


def environment(sandbox, front, authority, **more):
    return sandbox.env | {"AWS_ENDPOINT_URL_ROUTE_53": front.url, "AWS_CA_BUNDLE": str(authority.file)} | more


@pytest.mark.parametrize("signing", ["auto", "sigv4"])
def test_a_name_is_pinned_through_a_foreign_server_under_a_private_authority(
    pin53, sandbox, authority, certified, signing
):
    with serving(Front(certified, sandbox.api)) as front:
        variables = environment(sandbox, front, authority)
        done = pin53(variables, "--once", "--name", NAME, "--signing", signing)
        again = pin53(variables, "--once", "--name", NAME, "--signing", signing)
    assert (done.returncode, done.stdout) == (0, f"changed {NAME} CNAME (none) -> {HOST} (ttl 60)\n"), done
    assert again.stdout.startswith("unchanged "), again
    assert sandbox.dig("+short", NAME, "CNAME") == HOST + ".\n"
    assert "POST" in [method for method, _ in front.passed_on]


def test_the_authority_may_stand_anywhere_in_a_bundle_of_several(pin53, sandbox, authority, certified, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("# two of them\n" + Authority(tmp_path, "first").file.read_text() + authority.file.read_text())
    with serving(Front(certified, sandbox.api)) as front:
        variables = environment(sandbox, front, authority, AWS_CA_BUNDLE=str(bundle))
        done = pin53(variables, "--once", "--name", NAME)
    assert done.returncode == 0, done


def test_a_server_under_another_authority_is_told_by_its_certificate_and_given_nothing(
    pin53, sandbox, certified, tmp_path
):
    with serving(Front(certified, sandbox.api)) as front:
        for trusted in ({"AWS_CA_BUNDLE": str(Authority(tmp_path, "other").file)}, {"AWS_CA_BUNDLE": ""}):
            variables = sandbox.env | {"AWS_ENDPOINT_URL_ROUTE_53": front.url} | trusted
            done = pin53(variables, "--once", "--name", NAME)
            assert done.returncode == 75, done
            assert "certificate" in done.stdout and "AWS_CA_BUNDLE" in done.stderr
    assert front.passed_on == []


@pytest.mark.parametrize("days", [(-30, -1), (1, 30)], ids=["expired", "not yet valid"])
def test_a_certificate_out_of_its_time_makes_one_think_of_the_clock(pin53, sandbox, authority, days):
    with serving(Front(authority.server(*days), sandbox.api)) as front:
        done = pin53(environment(sandbox, front, authority), "--once", "--name", NAME)
    assert done.returncode == 75, done
    assert "certificate" in done.stdout and "clock" in done.stderr
    assert front.passed_on == []


def test_a_certificate_of_another_name_is_refused(pin53, sandbox, authority):
    with serving(Front(authority.server(-1, 1, "stranger"), sandbox.api)) as front:
        done = pin53(environment(sandbox, front, authority), "--once", "--name", NAME)
    assert done.returncode == 75 and "certificate" in done.stdout, done
    assert "clock" not in done.stderr
    assert front.passed_on == []


def test_a_proxy_is_used_for_route_53_and_never_for_the_metadata(pin53, sandbox, authority, certified):
    with serving(Front(certified, sandbox.api)) as front, serving(Proxy()) as proxy:
        proxies = {name: proxy.url for name in ("HTTPS_PROXY", "HTTP_PROXY", "http_proxy", "ALL_PROXY")}
        done = pin53(environment(sandbox, front, authority, **proxies), "--once", "--name", NAME)
        assert done.returncode == 0, done
        assert set(proxy.asked) == {f"CONNECT 127.0.0.1:{front.server_port} HTTP/1.1"}
        proxy.asked.clear()
        past = environment(sandbox, front, authority, NO_PROXY="127.0.0.1", **proxies)
        assert pin53(past, "--once", "--name", NAME).returncode == 0
        assert proxy.asked == []
