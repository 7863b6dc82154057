"""Snakemake's lock: whether a run is going on in a folder."""

from pathlib import Path

from common_fate.errors import UserError


def check_unlocked(results: Path, advice: str = "") -> None:
    """Raises `UserError` while Snakemake holds its lock on the folder in which `results` stands."""
    locks = results.absolute().parent / ".snakemake" / "locks"
    if locks.is_dir() and any(locks.iterdir()):
        raise UserError(
            f"{locks}: a run of Snakemake is going on, or was killed: wait for its end, or run `snakemake --unlock` "
            f"if there is none{advice}"
        )
