"""Reserve GPUs of this machine, so that jobs that run at the same time never share one.

The stages do not know about this: the command line reserves devices before it imports a stage, and
CUDA then shows the stage only those devices. The choice of device changes no bit of a result.
"""

from noiseband.gpus.devices import visible
from noiseband.gpus.queue import announce, reserve

__all__ = ["announce", "reserve", "visible"]
