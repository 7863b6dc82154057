"""The metadata of YFCC100M, read as it is distributed (Thomee et al., Communications of the ACM 59(2), 2016)."""
