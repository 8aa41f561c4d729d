"""The machine and the versions that the numbers were measured with."""

import os
import platform
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import mlpcli
from mlpcli.machine import cores

CPU = Path("/proc/cpuinfo")
PACKAGES = ("numpy", "jax", "jaxlib", "torch", "keras", "tensorflow", "scikit-learn")


def machine() -> dict[str, str]:
    """Processor, cores, memory and system."""
    nbytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": str(cores()),
        "memory": f"{nbytes / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    """The processor's name, or its architecture if the system does not give the name."""
    if not CPU.exists():
        return platform.machine()
    match = re.search(r"model name\s*:\s*(.+)", CPU.read_text())
    return match[1] if match else platform.machine()


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Python, mlpcli, and those of the packages that are installed."""
    found = {"python": platform.python_version(), "mlpcli": mlpcli.__version__}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
