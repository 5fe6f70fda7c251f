"""Bytes to meaning, without I/O: the first step of a packet's path."""
