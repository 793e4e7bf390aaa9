"""A base image for the tests of docker/, made of Debian packages where no registry of images is in reach.

``python3 -m tests.support.base_image`` makes it once, with podman and mmdebstrap; later calls find it in podman's own
storage. It stands for the public image that docker/Dockerfile names: Python with a pip that may install, little else.
"""

import subprocess
import sys

__all__ = ["NAME", "main"]

NAME = "localhost/flow-sdk-base:bookworm"
ENGINE = "podman"
PACKAGES = "base-files,base-passwd,coreutils,dash,libc-bin,login,passwd,python3"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PIP = "-m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-compile"

# Packages are unpacked only, which takes a quarter of the time of installing them; what their scripts would do is here.
# The image trusts whom this machine trusts: its index of packages may have a certificate of its own.
HOOKS = (
    'cp "$1/usr/share/base-passwd/passwd.master" "$1/etc/passwd"',
    'cp "$1/usr/share/base-passwd/group.master" "$1/etc/group"',
    'rm "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    f'mkdir -p "$1/usr/local/bin" "$1/etc/ssl/certs" && cp {CERTIFICATES} "$1{CERTIFICATES}"',
    f'{sys.executable} {PIP} --target "$1/usr/local/lib/$(basename "$1"/usr/lib/python3.*)/dist-packages" pip',
    # Run once, so that what Python needs for its start is compiled.
    'chroot "$1" /usr/bin/python3 -m pip --version >/dev/null',
)


def main() -> int:
    """Make the image unless podman has it; 0 if it is there afterwards."""
    if subprocess.run([ENGINE, "image", "exists", NAME]).returncode == 0:
        return 0
    hooks = [f"--extract-hook={hook}" for hook in HOOKS]
    command = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={PACKAGES}", *hooks, "bookworm", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as made:
        given = [ENGINE, "import", "--quiet", "-", NAME]
        imported = subprocess.run(given, stdin=made.stdout, stdout=subprocess.DEVNULL)
        assert made.stdout is not None
        made.stdout.close()
    if made.returncode and not imported.returncode:
        subprocess.run([ENGINE, "rmi", NAME], stdout=subprocess.DEVNULL)
    return made.returncode or imported.returncode


if __name__ == "__main__":
    sys.exit(main())
