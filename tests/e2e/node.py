"""Packages of the npm registry, for clients in JavaScript."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from flask_boiler.operate.testing.plugin import skip_unless_required

__all__ = ["admin_packages", "firebase_packages", "node_packages"]

_PACKAGES = {
    "@asyncapi/specs": "6.8.1",
    "fast-json-patch": "3.1.1",
    "socket.io-client": "4.8.1",
}
#: Large, so not with the others; the newest of the first that the second takes.
_FIREBASE = {"firebase": "12.19.0", "@firebase/rules-unit-testing": "5.0.2"}
_INSTALL_WITHIN_S = 120.0


def node_packages() -> Path:
    """The folder that the packages are installed in; skips the test where that is impossible."""
    return _installed(_PACKAGES)


def firebase_packages() -> Path:
    """The same, of Firebase's web SDK and of what tests security rules with it."""
    return _installed(_FIREBASE)


def admin_packages(version: str) -> Path:
    """The same, of what servers in JavaScript use Firestore with."""
    # Its client is optional to it: npm would leave out without a word what cannot be had.
    return _installed({"firebase-admin": version, "@google-cloud/firestore": "7.11.6"})


def _installed(packages: dict[str, str]) -> Path:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            skip_unless_required(f"there is no {program}; on Debian: apt-get install nodejs npm")
    names = [f"{name}@{version}" for name, version in packages.items()]
    digest = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"flask-boiler-npm-{digest}-{os.getuid()}"
    if not folder.exists():
        _install(names, folder)
    return folder / "node_modules"


def _install(names: list[str], folder: Path) -> None:
    made = Path(tempfile.mkdtemp(prefix="flask-boiler-npm-"))
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(made), *names]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_INSTALL_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        skip_unless_required(f"npm did not answer within {_INSTALL_WITHIN_S:g} s")
    if done.returncode:
        skip_unless_required(f"npm cannot install {', '.join(names)}: {done.stderr[-500:]}")
    try:
        made.rename(folder)
    except OSError:
        # Another session was faster.
        shutil.rmtree(made)
