"""A fuzzer for every loader: damaged and hostile files end in a sentence, and in nothing else.

    python -m tests.reliability.fuzz [N] [--only LOADER] [--seed S]    N changed inputs for each loader, 100,000 if not given
    python -m tests.reliability.fuzz damage [N]                        N changed bits and bytes, and every cut, of sealed files

Inputs are made from whole files and from those kept in tests/seeds; one that is refused in words not seen
before is changed further. What a loader must not do (another error, a warning, a sentence that does not name
the file, over 2 s of processor time or 256 MiB) is written to tests/seeds, and tried again by every test run.
"""

import argparse
import hashlib
import re
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random
from types import FrameType

from mlpcli.errors import MlpcliError
from tests.support.corruption import report_damage
from tests.support.loaders import LOADERS, Loader

SEEDS = Path(__file__).parent / "seeds"
SECONDS, MEMORY = 2, 256 * 2**20
LINUX = sys.platform == "linux"  # elsewhere a process's memory cannot be limited
MOST_STARTS = 500  # inputs that others are made from
LARGEST = 2**17  # bytes of an input
PARTICULARS = re.compile(
    r"""'[^']*'|"[^"]*"|\(\S*\)|first line is .*|0x\w+|\b[0-9a-f]{2}\b|[\d,.]+""", re.DOTALL
)


class TooSlow(BaseException):
    """An input takes too long; nothing that catches exceptions catches this."""


@dataclass
class Campaign:
    """What came of one loader's inputs: how many there were, the sentences by their form, and what went wrong."""

    inputs: int = 0
    forms: set[str] = field(default_factory=set)
    found: dict[bytes, str] = field(default_factory=dict)


def fuzz(loader: Loader, count: int, seed: int, kept: list[bytes]) -> Campaign:
    """Read the whole inputs, those kept, and `count` that are made from them."""
    campaign, stream = Campaign(), Random(seed)
    with tempfile.TemporaryDirectory() as name, _limits():
        folder = Path(name)
        starts = loader.whole(folder)
        for content in [*starts, *kept]:
            _try(loader, folder, content, campaign)
        starts += kept
        for _ in range(count):
            content = stream.choice(starts)
            for _ in range(stream.choice((1, 1, 1, 2, 4))):
                content = stream.choice(loader.changes)(content, stream)[:LARGEST]
            if _try(loader, folder, content, campaign) and len(starts) < MOST_STARTS:
                starts.append(content)
    return campaign


def _try(loader: Loader, folder: Path, content: bytes, campaign: Campaign) -> bool:
    """Read one input; returns whether what came of it is new."""
    said, wrong = outcome(loader, folder, content)
    form = PARTICULARS.sub("", said.replace(str(folder), ""))[:80]
    new = form not in campaign.forms
    campaign.inputs += 1
    campaign.forms.add(form)
    if wrong and new:
        campaign.found[content] = said
    return new


def outcome(loader: Loader, folder: Path, content: bytes) -> tuple[str, bool]:
    """What became of an input, in words, and whether it must not be."""
    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = loader.read(folder, content)
    except MlpcliError as error:
        said = str(error)
        return said, str(folder) not in said or said[-1] not in ".?"
    except (Exception, TooSlow) as error:
        return f"{type(error).__name__}: {error}", True
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return f"read: {type(result).__name__}", False


@contextmanager
def _limits() -> Iterator[None]:
    """An end to what takes too long, from now on no more memory than is allowed, and no warnings of what is made."""
    signal.signal(signal.SIGPROF, _too_slow)
    if LINUX:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow(f"over {SECONDS} s")


def in_child(loader: str, count: int, seed: int) -> Campaign:
    """One loader's campaign in a process of its own, which its limits are for."""
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        return pool.submit(_named, loader, count, seed).result()


def _named(name: str, count: int, seed: int) -> Campaign:
    return fuzz(LOADERS[name], count, seed, kept_inputs(name))


def kept_inputs(loader: str) -> list[bytes]:
    """What was once found for a loader."""
    return [path.read_bytes() for path in sorted(SEEDS.glob(f"{loader}-*"))]


def keep(loader: str, found: dict[bytes, str]) -> None:
    """Write what was found to tests/seeds, and say it."""
    for content, said in found.items():
        path = SEEDS / f"{loader}-{hashlib.sha256(content).hexdigest()[:12]}"
        path.write_bytes(content)
        print(f"{path}: {said}")


def main(words: list[str]) -> int:
    """Fuzz, or damage, as the words say; returns 1 where anything was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="[damage] [N]")
    parser.add_argument("--only", choices=LOADERS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(words)
    count = next((int(word) for word in given.words if word.isdigit()), None)
    if "damage" in given.words:
        return report_damage(count or 10_000, given.seed)
    found = 0
    for name in [given.only] if given.only else LOADERS:
        campaign = in_child(name, 100_000 if count is None else count, given.seed)
        print(
            f"{name:<11}{campaign.inputs:>9,} inputs {len(campaign.forms):>5} answers {len(campaign.found):>4} wrong"
        )
        keep(name, campaign.found)
        found += len(campaign.found)
    return int(found > 0)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
