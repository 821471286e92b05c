"""The rpm: what it holds, what it asks for, and what its installation, upgrade and removal do, by rpm itself."""

import re
import shutil
import subprocess

import pytest
from conftest import DEPLOY, built

# Amazon Linux 2023's.
OLDEST_GLIBC = (2, 34)


def rpm(*arguments):
    ended = subprocess.run(["rpm", *map(str, arguments)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def package():
    return built("rpm/*.rpm")


@pytest.fixture
def upgrade(tmp_path):
    """The same package, one release further on."""
    command = [DEPLOY / "rpm/build", "--define", "release 2", "--define", f"_rpmdir {tmp_path}"]
    subprocess.run([*command, "--define", "_binary_payload w1.gzdio"], check=True)
    (package,) = tmp_path.glob("*.rpm")
    return package


class Root:
    """A root directory with a database of rpm's, and what the package's scripts call: the real systemctl among it."""

    def __init__(self, path):
        self.path = path
        (path / "usr/bin").mkdir(parents=True)
        (path / "bin").symlink_to("usr/bin")
        for tool in ("sh", "rm", "systemctl"):
            program = shutil.which(tool)
            shutil.copy(program, path / "usr/bin" / tool)
            self.add_libraries(program)
        preset = path / "usr/lib/systemd/system-preset/50-test.preset"
        preset.parent.mkdir(parents=True)
        preset.write_text("enable pin53.service\n")

    def add_libraries(self, program):
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"/\S+", listed):
            target = self / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)

    # Debian's rpm has to be told that a package of rpm's is meant, and no package here brings the libraries.
    def change(self, action, *what):
        rpm("--root", self.path, "--force-debian", "--nodeps", action, *what)

    def __truediv__(self, path):
        return self.path / path

    @property
    def enabled(self):
        return (self / "etc/systemd/system/multi-user.target.wants/pin53.service").is_symlink()


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path / "root")


# Where the Debian package has what the rpm has elsewhere, and what is Debian's own.
OTHER_PLACES = {
    "/usr/share/doc/pin53/changelog.gz": "/usr/share/doc/pin53/CHANGELOG.md",
    "/usr/share/doc/pin53/copyright": "/usr/share/licenses/pin53/LICENSE",
    "/usr/share/zsh/vendor-completions/_pin53": "/usr/share/zsh/site-functions/_pin53",
}
OF_DEBIAN = {"/usr/share/doc/pin53/changelog.Debian.gz", "/usr/share/lintian/overrides/pin53"}


def test_it_holds_what_the_debian_package_holds(package):
    listed = subprocess.run(["dpkg-deb", "-c", built("ci/boot/pin53.deb")], capture_output=True, text=True, check=True)
    debian = {path for path in re.findall(r" \./(\S+[^/\s])$", listed.stdout, re.M)}
    expected = {OTHER_PLACES.get(f"/{path}", f"/{path}") for path in debian} - OF_DEBIAN
    assert {"/usr/bin/pin53", "/usr/lib/systemd/system/pin53.service", "/usr/share/man/man1/pin53.1.gz"} <= expected
    files = rpm("-qp", "--qf", r"[%{FILEMODES:perms} %{FILENAMES}\n]", package)
    assert set(re.findall(r"^-\S+ (\S+)$", files, re.M)) == expected
    assert set(rpm("-qpc", package).split()) == {"/etc/default/pin53", "/etc/pin53/pin53.toml"}


def test_it_asks_for_no_newer_library_than_amazon_linux_has(package):
    wanted = re.findall(r"GLIBC_(\d+)\.(\d+)", rpm("-qp", "--requires", package))
    assert wanted
    assert max((int(major), int(minor)) for major, minor in wanted) <= OLDEST_GLIBC


def test_rpmlint_finds_nothing(package):
    command = ["rpmlint", "-c", DEPLOY / "rpm/rpmlint.toml", package, DEPLOY / "rpm/pin53.spec"]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    assert "1 packages and 1 specfiles checked; 0 errors, 0 warnings" in said, said


def test_installed_it_is_enabled_by_preset_and_runs(root, package):
    root.change("-i", package)
    assert root.enabled
    root.add_libraries(root / "usr/bin/pin53")
    said = subprocess.run(["chroot", root.path, "pin53", "--version"], capture_output=True, text=True)
    assert said.stdout.startswith("pin53 "), said.stderr


def test_an_upgrade_keeps_the_configuration_and_removal_saves_it(root, package, upgrade):
    root.change("-i", package)
    config = root / "etc/pin53/pin53.toml"
    config.write_text("# mine\n")
    root.change("-U", upgrade)
    assert root.enabled
    assert config.read_text() == "# mine\n"
    state = root / "var/lib/private/pin53"
    state.mkdir(parents=True)

    root.change("-e", "pin53")
    assert not root.enabled
    assert not (root / "usr/bin/pin53").exists()
    assert not state.exists()
    assert (root / "etc/pin53/pin53.toml.rpmsave").read_text() == "# mine\n"


def test_a_configuration_that_was_there_first_stays(root, package):
    config = root / "etc/pin53/pin53.toml"
    config.parent.mkdir(parents=True)
    config.write_text("# by cloud-init\n")
    root.change("-i", package)
    assert config.read_text() == "# by cloud-init\n"
    assert (root / "etc/pin53/pin53.toml.rpmnew").exists()
