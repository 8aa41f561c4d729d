"""The tests compute on one thread each: small products gain nothing from more."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
