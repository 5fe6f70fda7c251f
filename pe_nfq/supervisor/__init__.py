"""The control-plane process; see `daemon`."""
