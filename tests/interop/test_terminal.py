"""What somebody at a terminal sees while `--once` waits, and that nobody else does."""

import os
import pty

from peers import plain_environment, run

ONCE = ["--once", "--name", "vpn.example.com"]


def test_progress_is_shown_at_a_terminal_alone(pin53_binary, start_sandbox, tmp_path):
    sandbox = start_sandbox("--latency", "aws=700ms")
    environment = plain_environment(tmp_path) | sandbox.env
    piped = run([pin53_binary, *ONCE], environment)
    assert piped.returncode == 0 and piped.stderr == "", piped

    sandbox.move("ec2-203-0-113-99.eu-west-1.compute.amazonaws.com")
    environment["TERM"] = "xterm"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(pin53_binary, [pin53_binary, *ONCE], environment)
    shown = b""
    try:
        while piece := os.read(terminal, 4096):
            shown += piece
    except OSError:
        # So ends what a terminal has to read.
        pass
    finally:
        os.close(terminal)
        status = os.waitpid(pid, 0)[1]
    assert status == 0, shown
    assert b"looking (1 s)" in shown, shown
    # What was drawn is cleared before the word of what was done.
    assert shown.rsplit(b"\x1b[K", 1)[1].startswith(b"changed vpn.example.com"), shown
