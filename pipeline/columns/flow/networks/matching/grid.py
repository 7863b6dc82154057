"""Which points are matched, how far matches reach, and how both lie at each level of the pyramid (section 2.3)."""

from dataclasses import dataclass

from pipeline.option import option

LIMITS = {
    "levels": (0, 16),
    "radius": (1, 4096),
    **dict.fromkeys(("alpha", "gamma", "delta"), (1, 4096)),
    "beta": (0, 4096),
    "longest": (32, 2**15),
}
"""From and to. A file of weights from elsewhere has these numbers, too, and they decide on memory."""


@dataclass(frozen=True)
class MatchingGrid:
    """The parameters of deep matching, named as the thesis names them; pixels, but for the levels.

    A point of the reference image is `p = alpha * i + beta` at level 0, and half a step before that at the others where
    `delta / alpha` is odd. A match of level `l` is `q = p + 2^l * gamma * (k - R_l)`, for `k` from 0 to `2 R_l`.
    """

    levels: int = option(6, "L, how often scores are pooled and aggregated; smaller images have fewer")
    radius: int = option(80, "R, how far a match may be from its point along each axis")
    alpha: int = option(8, "the step between points of the reference image")
    beta: int = option(4, "where the first of them is")
    gamma: int = option(1, "the step between matches in the target image; matches are pooled as far")
    delta: int = option(8, "the side of the square at whose corners scores are aggregated, at level 0")
    longest: int = option(640, "images with a longer side are matched at half their size, or less; training does not")

    def __post_init__(self) -> None:
        for name, (least, most) in LIMITS.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}: from {least} to {most}")
        if self.alpha % self.gamma:
            raise ValueError(f"gamma is {self.gamma}: should divide alpha, {self.alpha}")
        if self.delta % self.alpha or (self.delta // self.alpha > 1 and self.delta // self.alpha % 2):
            raise ValueError(f"delta is {self.delta}: should be alpha, {self.alpha}, or an even multiple of it")
        if self.radius % self.gamma:
            raise ValueError(f"radius is {self.radius}: should be a multiple of gamma, {self.gamma}")

    def reduction(self, height: int, width: int) -> int:
        """Returns by how much an image is reduced before it is matched: 1, 2, 4 and so on."""
        factor = 1
        while max(height, width) > factor * self.longest:
            factor *= 2
        return factor

    def points(self, side: int) -> int:
        """Returns how many points of level 0 lie along a side of that many pixels."""
        return max(0, -(-(side - self.beta) // self.alpha))

    def reach(self, level: int) -> int:
        """Returns `R_l`, the steps from a point to its farthest match along an axis: half of the level's before."""
        steps = self.radius // self.gamma
        for _ in range(level):
            steps = -(-steps // 2)
        return steps

    @property
    def halved(self) -> bool:
        """Whether the points of all levels but the first lie between those of the first."""
        return self.delta == self.alpha

    def shifts(self, level: int) -> tuple[int, int]:
        """Returns by how many points the corners of level `l` lie before and after a point of level `l + 1` (eq. 4)."""
        if level == 0 and self.halved:
            return -1, 0
        shift = 2**level * self.delta // (2 * self.alpha)
        return -shift, shift

    def depth(self, height: int, width: int) -> int:
        """Returns how many levels an image has: `levels`, or as many as leave every point a corner to belong to.

        Args:
            height, width: of the reference image, pixels.
        """
        points = min(self.points(height), self.points(width))
        for level in range(self.levels):
            before, after = self.shifts(level)
            if after - before > points + (level > 0 and self.halved):
                return level
        return self.levels
