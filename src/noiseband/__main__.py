"""`python -m noiseband`, which is how torchrun starts the processes of a run."""

from noiseband.cli import main

main()
