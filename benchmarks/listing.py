"""How fast the metadata of YFCC100M is read: `python -m benchmarks.listing`, alone on the machine.

Lines are generated: of 400 to 500 bytes with words in title, description and tags, one in 126 of a video, as in the
dataset. The whole has 100 million.
"""

import bz2
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from common_fate.tables import text_table
from pipeline.sources.yfcc100m import SOURCE, Yfcc100mOptions

LINES, WHOLE, PHOTOS_A_VIDEO = 400_000, 100_000_000, 125
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "rd", "ll", "st", "ck")]


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = "".join(_lines(LINES)).encode()
        (folder / "plain").write_bytes(data)
        (folder / "packed.bz2").write_bytes(bz2.compress(data))
        size = len(data)
        del data
        for file in ("plain", "packed.bz2"):
            options = Yfcc100mOptions(
                str(folder / file), keywords=["dog", "bard"], sample=100, cache=str(folder / "listings")
            )
            start = time.perf_counter()
            SOURCE.videos(options, "benchmark")
            rate = LINES / (time.perf_counter() - start)
            rows.append([file, f"{rate:,.0f}", f"{rate * size / LINES / 1e6:,.0f}", f"{WHOLE / rate / 60:,.0f}"])
    print(text_table(["file", "lines/s", "MB/s unpacked", "minutes for 100 M lines"], rows))


def _lines(count: int) -> Iterator[str]:
    draw = random.Random(0)
    for number in range(count):
        video = number % (PHOTOS_A_VIDEO + 1) == 0
        words = ["+".join(draw.choices(WORDS, k=k)) for k in (3, 12)]
        secret = f"{draw.getrandbits(40):010x}"
        page = f"http://www.flickr.com/photos/{number:08d}@N00/{number:010d}/"
        media = f"http://farm4.staticflickr.com/{number % 9999}/{number:010d}_{secret}.jpg"
        where = f"{draw.uniform(-180, 180):.6f}\t{draw.uniform(-90, 90):.6f}\t16"
        yield (
            f"{number:010d}\t{number:08d}@N00\tnick\t2010-07-01 12:00:00.0\t1331840483\tCanon+PowerShot+ELPH+310+HS\t"
            f"{words[0]}\t{words[1]}\t{','.join(draw.choices(WORDS, k=6))}\t\t{where}\t{page}\t{media}\t"
            "Attribution-NonCommercial+License\thttp://creativecommons.org/licenses/by-nc/2.0/\t"
            f"{number % 9999}\t4\t{secret}\t{secret}\tjpg\t{int(video)}\n"
        )


if __name__ == "__main__":
    main()
