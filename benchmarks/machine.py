"""What the numbers were measured on and with."""

import os
import platform
import re
from importlib import metadata
from pathlib import Path

PACKAGES = ("mlpcli", "numpy", "jax", "jaxlib", "torch", "keras", "tensorflow", "scikit-learn")


def machine() -> dict[str, str]:
    """Processor, cores and memory."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{gib:.0f} GiB",
        "system": f"Linux {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Python and every package that took part."""
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in PACKAGES
    }
