"""The tests, and the lab that they share with `scripts/demo` and `scripts/bench`."""
