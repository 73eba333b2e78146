"""The entry point of `python -m noiseband`, with which torchrun starts the processes of a run."""

from noiseband.cli import main

main()
