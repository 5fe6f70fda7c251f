"""The manual, made from what the programs say of themselves: ``scripts/man``.

``pe-nfq(1)``, a page for each verb from its parser, and ``pe-nfq.toml(5)``
from the tables of the configuration. `roff` writes, `commands` and `options`
say what. The pages are kept in ``pe_nfq/data/man``: a wheel is built
without the libraries that making them needs.
"""
