"""How fast worlds are drawn, seconds of one core: `python -m benchmarks.worlds`, or with the names of some of them."""

import argparse
import time
from collections.abc import Callable

from common_fate.tables import text_table
from pipeline.sources.worlds.world import WORLDS, WorldOptions

SIZES, FRAMES, REPEATS = (90, 128), 60, 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worlds", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(WORLDS), help="which; all by default")
    rows = [_row(name, size) for name in parser.parse_args().names for size in SIZES]
    print(text_table(["world", "size", "images/s", "truths/s", "points/s", "all three/s"], rows))


def _row(name: str, size: int) -> list[str]:
    film = WORLDS[name].film(WorldOptions(world=name, size=size, frames=FRAMES + 1), 0)

    def everything(number: int) -> None:
        film.image(number)
        film.truth(number, number + 1)
        film.points(number)

    rates = [
        _rate(film.image),
        _rate(lambda number: film.truth(number, number + 1)),
        _rate(film.points),
        _rate(everything),
    ]
    return [name, str(size), *(f"{rate:,.0f}" for rate in rates)]


def _rate(make: Callable[[int], object]) -> float:
    """Frames a second of processor time, which others on the machine change little; the best of some tries."""
    make(0)
    best = 0.0
    for _ in range(REPEATS):
        start = time.process_time()
        for number in range(FRAMES):
            make(number)
        best = max(best, FRAMES / (time.process_time() - start))
    return best


if __name__ == "__main__":
    main()
