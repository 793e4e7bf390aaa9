"""An interactive shell on a terminal, into which a line is typed and completed."""

import os
import pty
import re
import select
import sys
import termios
import time
from pathlib import Path

__all__ = ["completed_line"]

PROMPT = "ready> "
START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'PS1="ready""> "; bind "set enable-bracketed-paste off"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        "PS1='ready''> '; unsetopt zle_bracketed_paste 2>/dev/null; unset zle_bracketed_paste; "
        "autoload -Uz compinit; compinit -u; bindkey -e",
    ),
    "fish": (["fish", "--no-config", "-i"], "function fish_prompt; printf 'ready''> '; end"),
}
"""How each shell is started, and what is typed first: a prompt that doesn't occur in what is typed."""

LOAD = {
    "bash": 'eval "$(flow-sdk completion bash)"',
    "zsh": 'eval "$(flow-sdk completion zsh)"',
    "fish": "flow-sdk completion fish | source",
}
SECONDS = 30.0


def completed_line(shell: str, folder: Path, typed: str) -> str:
    """Type a line and TAB into a shell, and return the completed line, without a space at its end.

    Parameters
    ----------
    shell : {"bash", "zsh", "fish"}
        Which one; it is found on the PATH.
    folder : Path
        The folder to work in; also the home folder.
    typed : str
        The beginning of a line.

    Raises
    ------
    TimeoutError
        If the shell doesn't answer.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(folder), "ZDOTDIR": str(folder), "TERM": "dumb"}
    environment["XDG_CONFIG_HOME"] = environment["XDG_DATA_HOME"] = str(folder / "xdg")
    arguments, first = START[shell]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(arguments[0], arguments, environment)
    try:
        termios.tcsetwinsize(terminal, (50, 300))
        screen = _Screen(terminal)
        screen.type(first + "\n")
        screen.wait_for(PROMPT)
        screen.type(LOAD[shell] + "; printf 'load''ed\\n'\n")
        screen.wait_for(r"loaded\s")
        screen.wait_for(PROMPT)
        screen.type(typed + "\t")
        # The line, whatever it is by then, becomes the text of a command that prints it.
        screen.type("\x05]'; printf 'prin''ted\\n'\x01printf '%s\\n' '[\n")
        screen.wait_for(r"\bprinted\s")
        found = re.findall(r"^\[(.*)\]\s*$", screen.text.replace("\r", "\n"), re.MULTILINE)
        return found[-1].rstrip(" ")  # zsh takes the space behind a completed word away again
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


class _Screen:
    """What a terminal has shown."""

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self.text = ""

    def type(self, keys: str) -> None:
        self.text = ""
        os.write(self.terminal, keys.encode())

    def wait_for(self, pattern: str) -> None:
        """Read until a pattern shows."""
        end = time.monotonic() + SECONDS
        while not re.search(pattern, self.text):
            ready, _, _ = select.select([self.terminal], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"{pattern!r} doesn't show in {self.text!r}")
            self.text += os.read(self.terminal, 65536).decode(errors="replace")
