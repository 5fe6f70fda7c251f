"""Guests: virtual machines that have what this machine's kernel may lack, IPVS above all.

::

    pytest on this machine                        guest, booted once for all its tests
      collects tests/vm                             mounts this machine's files, read-only
      boots a guest of each kind that is needed ──> pytest over the same tests/vm
      reports what comes, test by test       <───── a line of events.jsonl a report

So a test in tests/vm is selected, shown, counted and failed as any other, only
that it runs elsewhere. `kinds` says which guests there are and what each needs,
`running` is one that runs a command, `machine` one that runs tests, `host` and `inside`
are the two ends' pytest plug-ins.
A guest ends with the pytest that started it, however that ends.
"""
