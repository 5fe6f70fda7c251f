"""`pe-nfq top`: what a director does now, in a terminal or as plain text.

`looks` asks the daemon, `rates` makes a `picture` of two answers, with numbers a second, `choice`
is what the person at the keys wants to see, `view` draws it, `keys` is the
terminal's side; `live` and `plain` are the two ways to show it.
"""
