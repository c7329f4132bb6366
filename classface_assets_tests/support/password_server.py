"""A PostgreSQL server on loopback that asks for a password, as those do that other machines can reach."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def password_server(user: str, password: str, databases: tuple[str, ...]) -> Iterator[int]:
    """Its port, while it runs; with these databases."""
    initdb = shutil.which("initdb") or max(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)
    if initdb is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    owner = {} if os.geteuid() else {"user": "nobody", "group": "nogroup", "extra_groups": []}
    folder, port = Path(tempfile.mkdtemp(prefix="records")), free_port()
    (folder / "password").write_text(password)
    if owner:
        for path in (folder, folder / "password"):
            shutil.chown(path, "nobody", "nogroup")
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **owner}
    programs = Path(initdb).resolve().parent
    made = [initdb, "-D", f"{folder}/db", "-U", user, "-A", "scram-sha-256", f"--pwfile={folder}/password", "--no-sync"]
    subprocess.run(made, **quiet)
    control = [str(programs / "pg_ctl"), "-D", f"{folder}/db", "-w", "-l", f"{folder}/log"]
    options = f"-k {folder} -c listen_addresses=127.0.0.1 -c port={port} -c fsync=off"
    subprocess.run([*control, "-o", options, "start"], **quiet)
    try:
        for database in databases:
            command = [str(programs / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", user, database]
            subprocess.run(command, env=os.environ | {"PGPASSWORD": password}, **quiet)
        yield port
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(folder)
