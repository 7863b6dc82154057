"""Runs a command of `python -m pipeline` with a bounded memory: `python within_memory.py MIB WORD...`.

Prints a line of JSON: how it ended, what it said, and how many MiB it took beside what its imports take.
"""

import json
import resource
import sys
from pathlib import Path

from tests.support.read_everything import attempt, command


def mapped() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main() -> None:
    spare, *words = sys.argv[1:]
    attempt(lambda: command(*words[:1], "--help"))  # what it imports is no part of what its input makes it take
    attempt(lambda: command("verify", "."))
    before, limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, mapped() + int(spare) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    ended, said = attempt(lambda: command(*words))
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    sys.__stdout__.write(json.dumps({"ended": ended, "said": said, "taken": taken}) + "\n")


if __name__ == "__main__":
    main()
