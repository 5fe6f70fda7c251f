"""``python -m pe_nfq`` is `pe-nfq`."""

import sys

from pe_nfq.cli import main

if __name__ == "__main__":
    sys.exit(main())
