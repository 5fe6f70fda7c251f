"""From numbers back to texts, for whoever shows templates: a removed dest may still hold some."""

import json

from pe_nfq.templates.table import Table


def names(table: Table) -> dict[int, str]:
    """The texts of all numbers in use: ``udp VIP:PORT``, of dests ``udp VIP:PORT ADDRESS:PORT``.

    Raises TableError.
    """
    with table.read() as txn:
        cursor = txn.cursor(db=table.environment.db["ids"])
        return {json.loads(value)[0]: key.decode() for key, value in cursor}
