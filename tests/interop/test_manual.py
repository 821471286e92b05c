"""The manual and the completions, held by the programs that read them: mandoc and man, bash, zsh and fish."""

import os
import pty
import select
import subprocess
import time

import pytest

PATIENCE = 30


def run(*arguments, stdin=None):
    return subprocess.run(arguments, input=stdin, capture_output=True, text=True, check=True, timeout=PATIENCE)


@pytest.fixture(scope="module")
def manual(pin53_binary, tmp_path_factory):
    directory = tmp_path_factory.mktemp("man")
    run(pin53_binary, "man", "--dir", directory)
    return sorted(directory.glob("man*/*"))


def test_mandoc_has_nothing_to_say_about_a_page(manual):
    assert {"pin53.1", "pin53-plan.1", "pin53.toml.5"} <= {page.name for page in manual}
    for page in manual:
        said = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], capture_output=True, text=True)
        # A date would differ from build to build.
        faults = [line for line in said.stdout.splitlines() if "missing date" not in line]
        assert faults == [], page


def test_man_finds_and_shows_them(manual):
    environment = {**os.environ, "MANPATH": str(manual[0].parent.parent), "MANPAGER": "cat", "MANWIDTH": "80"}
    for arguments, told in [
        (["pin53"], "EXIT STATUS"),
        (["pin53", "plan"], "--detailed-exit-code"),
        (["5", "pin53.toml"], "assume_role.external_id"),
        (["pin53-failures"], "WHAT IT NEVER DOES"),
        (["pin53-migrating"], "FROM DDCLIENT"),
    ]:
        shown = subprocess.run(["man", *arguments], env=environment, capture_output=True, text=True, check=True)
        assert told in shown.stdout and shown.stderr == "", arguments


@pytest.fixture
def script(pin53_binary, tmp_path):
    """Writes what a shell reads into a file of its own."""

    def write(shell, name):
        path = tmp_path / shell / name
        path.parent.mkdir()
        path.write_text(run(pin53_binary, "completions", shell).stdout)
        return path

    return write


def test_bash_completes(script):
    bash = script("bash", "pin53")

    def completed(*words):
        line = " ".join(f"'{word}'" for word in words)
        function = f"_pin53 pin53 '{words[-1]}' '{words[-2]}'"
        given = f"source {bash}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; {function}"
        return run("bash", "-c", f'{given}; printf "%s\\n" "${{COMPREPLY[@]}}"').stdout.split()

    assert completed("pin53", "pl") == ["plan"]
    assert completed("pin53", "plan", "--type", "") == ["CNAME", "A", "AAAA"]
    assert completed("pin53", "sign", "--sch") == ["--scheme"]


def test_fish_completes(script):
    fish = script("fish", "pin53.fish")

    def completed(line):
        lines = run("fish", "-c", f"source {fish}; complete -C '{line}'").stdout.splitlines()
        return [line.split("\t")[0] for line in lines]

    assert {"plan", "sign", "man"} <= set(completed("pin53 "))
    assert {"CNAME", "A", "AAAA"} == set(completed("pin53 plan --type "))
    assert completed("pin53 sign --sch") == ["--scheme"]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("pin53 pl", "plan"), ("pin53 plan --ty", "--type"), ("pin53 sign --scheme ", "sdk-hmac"), ("pin53 c", "curl, with its")],
)
def test_zsh_completes(script, tmp_path, typed, offered):
    """zsh completes at a terminal only."""
    functions = script("zsh", "_pin53").parent
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb", "HOME": str(tmp_path)})
    try:
        shown = ""

        def shows(text):
            nonlocal shown
            deadline = time.monotonic() + PATIENCE
            while text not in shown and time.monotonic() < deadline:
                if select.select([terminal], [], [], 1)[0]:
                    shown += os.read(terminal, 65536).decode(errors="replace")
            return text in shown

        prepare = f"fpath=({functions} $fpath); autoload -U compinit; compinit -u -D; stty -echo cols 200; echo rea''dy\n"
        os.write(terminal, prepare.encode())
        assert shows("ready\r\n"), shown
        shown = ""
        os.write(terminal, f"{typed}\t\t".encode())
        assert shows(offered), shown
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
