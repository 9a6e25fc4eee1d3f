"""Other people's sites: settings, and where it takes them models, that are not the example project's.

All tests with the marker ``users`` pass on them too: ``pytest -m users --ds=tests.hosts.stock_user``.
"""
