"""Services of a configuration file that are changed by ipvsadm's words: for pe-nfq by SIGHUP."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.lab.daemon import Options


def _grammar() -> argparse.ArgumentParser:
    """As much of ipvsadm's grammar as scripts use; what they don't is refused."""
    grammar = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    verb = grammar.add_mutually_exclusive_group(required=True)
    for flag in ("-A", "-E", "-a", "-e", "-d"):
        verb.add_argument(flag, action="store_const", const=flag, dest="verb")
    grammar.add_argument("-u", required=True, dest="service")
    grammar.add_argument("-s", dest="scheduler")
    grammar.add_argument("-p", type=int, dest="timeout")
    grammar.add_argument("-M", default="255.255.255.255", dest="mask")
    grammar.add_argument("--pe", choices=["sip"])
    grammar.add_argument("-o", action="store_true", dest="one_packet")
    grammar.add_argument("-r", dest="server")
    grammar.add_argument("-g", action="store_true", dest="route")
    grammar.add_argument("-w", type=int, dest="weight")
    return grammar


_GRAMMAR = _grammar()


@dataclass
class _Service:
    options: Options = field(default_factory=dict)
    #: Address without port -> weight, in the order in which they were added.
    weights: dict[str, int] = field(default_factory=dict)


class ServiceFile:
    """What a file has to hold after all changes so far, `top` above all services.

    `extra` are the options of each service that ipvsadm has no word for.
    """

    def __init__(self, top: Options, extra: Mapping[str, Options]) -> None:
        self._top = top
        self._extra = extra
        self._services: dict[str, _Service] = {}

    def apply(self, words: Sequence[str]) -> None:
        """Follow a command. Raises argparse.ArgumentError, KeyError."""
        said = _GRAMMAR.parse_args(words)
        if said.verb == "-A":
            self._services[said.service] = _Service()
        service = self._services[said.service]
        if said.verb in ("-A", "-E"):
            service.options = {
                "scheduler": said.scheduler,
                "timeout": said.timeout,
                "mask": said.mask,
            }
            return
        address = said.server.rpartition(":")[0]
        if said.verb == "-d":
            del service.weights[address]
        else:
            service.weights[address] = said.weight

    def toml(self) -> str:
        """The file. Its last server of a service is the newest, at the head of the list."""
        lines = _options("", self._top)
        for name, service in self._services.items():
            options = {"address": name, **service.options, **self._extra.get(name, {})}
            lines += _options("[[service]]", options)
            for address, weight in service.weights.items():
                lines += _options("[[service.server]]", {"address": address, "weight": weight})
        return "\n".join(lines) + "\n"


def _options(header: str, options: Options) -> list[str]:
    return [header, *(f"{key} = {json.dumps(value)}" for key, value in options.items())]
