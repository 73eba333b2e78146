"""Loss scaling, so that small float16 gradients do not vanish."""

from __future__ import annotations

from noiseband.determinism import ARITHMETIC
from noiseband.study.recipe import Precision

INITIAL_SCALE = 65_536.0
GROWTH_INTERVAL = 2_000


class LossScale:
    """Loss scaling by powers of two for float16, like PyTorch's GradScaler.

    A step with a non-finite gradient is skipped and halves the scale; 2,000 finite steps in a row
    double it. Other precisions keep a scale of 1, and also skip steps with non-finite gradients.
    """

    def __init__(self, precision: Precision) -> None:
        self.dynamic = ARITHMETIC[precision].scales_loss
        self.scale = INITIAL_SCALE if self.dynamic else 1.0
        self.good_steps = 0

    def update(self, finite: bool) -> None:
        if not self.dynamic:
            return
        self.good_steps = self.good_steps + 1 if finite else 0
        if not finite:
            self.scale /= 2.0
        elif self.good_steps == GROWTH_INTERVAL:
            self.scale *= 2.0
            self.good_steps = 0
