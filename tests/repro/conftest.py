"""Training jobs, to have something to compare."""

from tests.train.conftest import make_job as make_job
