"""Which of this machine's GPUs a process may use, so that jobs at the same time never share one.

No stage knows of this: the command line reserves devices before a stage is imported, and CUDA then
shows the stage those devices alone. Which one a job gets decides none of its bits.
"""

from noiseband.gpus.devices import visible
from noiseband.gpus.queue import announce, reserve

__all__ = ["announce", "reserve", "visible"]
