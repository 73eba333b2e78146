"""Training jobs whose results can be compared."""

from tests.train.conftest import make_job as make_job
