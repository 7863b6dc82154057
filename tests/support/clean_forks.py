"""Processes that are forks of one without threads, since Python takes a second to start.

A fork of the tests' own process may wait for ever: it has the locks that threads of OpenCV or PyArrow held, and not
the threads that would give them back.
"""

import multiprocessing

CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload(["tests.support.sharing_commands"])
