"""The entry point of the command `noiseband`.

Where a workflow runs jobs on its own machine, a process that has already imported PyTorch forks for
each job: `dag/forks.py` starts it, `cli/fork_server.py` is it, and this command then is its client.
Everywhere else the command runs itself.
"""

from __future__ import annotations

from noiseband.dag.fork_client import accepted, follow


def main() -> None:
    """Run the command, in a fork of the server if there is one."""
    server = accepted()
    if server is not None:
        follow(server)
    # A command that is forked does not wait for this import.
    from noiseband.cli import main as run

    run()
