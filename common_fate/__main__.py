"""`python -m common_fate`: the same as `common-fate`."""

from common_fate.cli import main

main()
