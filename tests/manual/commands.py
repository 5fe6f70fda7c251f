"""``pe-nfq(1)`` and a page for each verb, from the parsers that read the command line."""

import argparse

from pe_nfq.cli import VERBS, full_parser
from pe_nfq.cli.exit_status import EXIT_STATUS
from tests.manual.roff import Page

_DESCRIPTION = """\
A SIP trunk sends thousands of calls from one ip:port. Persistence by address puts all of them
on one server; no persistence tears calls apart. pe-nfq is the kernel's answer, the SIP
persistence engine of IPVS, as a program: netfilter rules queue datagrams to workers, which mark
them, and IPVS or policy routing sends each mark to its real server. Every datagram of a dialog
reaches the same one."""
_FILES = {
    "/etc/pe-nfq.toml": "The configuration, where no other is named; see pe-nfq.toml(5).",
    "/run/pe-nfq": "The state directory: template table, heartbeats, control socket. "
    "/dev/shm/pe-nfq where /run is no tmpfs.",
}
_SIGNALS = {
    "SIGTERM, SIGINT": "Leave the queues without a loss, and end. Rules, steering and templates "
    "stay; see pe-nfq-withdraw(1).",
    "SIGHUP": "Read the configuration again; see pe-nfq-reload(1).",
    "SIGUSR1": "Open the log file again; see --log-file of pe-nfq-run(1).",
    "SIGUSR2": "Make way for the version that is installed now; see pe-nfq-upgrade(1).",
}
_ENVIRONMENT = {
    "NO_COLOR": "Where it is set and not empty, no output has colours.",
    "NOTIFY_SOCKET, WATCHDOG_USEC": "Of a service manager: pe-nfq run says when it is ready, "
    "reloads and stops, and that it is alive (sd_notify(3)).",
}


def command_pages() -> dict[str, str]:
    """All of them by their file names."""
    parsers = _verbs(full_parser())
    pages = {"pe-nfq.1": _overview()}
    return pages | {f"pe-nfq-{verb}.1": _page(verb, parsers[verb]) for verb in VERBS}


def _verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    [action] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


def _overview() -> str:
    page = Page("pe-nfq", 1, "SIP persistence engine for Linux directors, on NFQUEUE")
    page.section("synopsis")
    page.verbatim("pe-nfq [--help] [--version] VERB [OPTION ...]")
    page.section("description")
    page.paragraph(_DESCRIPTION)
    page.section("verbs")
    for verb, (_, summary) in VERBS.items():
        page.item(f"pe-nfq-{verb}(1)", f"{_sentence(summary)}.")
    for title, rows in (("files", _FILES), ("signals", _SIGNALS), ("environment", _ENVIRONMENT)):
        page.section(f"{title}{' of pe-nfq run' if title == 'signals' else ''}")
        for term, text in rows.items():
            page.item(term, text)
    _exit_status(page)
    page.section("see also")
    page.paragraph(
        "pe-nfq.toml(5), ipvsadm(8), iptables(8), nft(8), ip-rule(8), systemd.service(5)"
    )
    return page.text


def _page(verb: str, parser: argparse.ArgumentParser) -> str:
    page = Page(f"pe-nfq-{verb}", 1, VERBS[verb][1])
    if not parser.add_help:  # its words are ipvsadm's, and so is its usage
        page.section("synopsis")
        page.verbatim(parser.description or "")
    else:
        page.section("synopsis")
        page.paragraph(_synopsis(parser))
        page.section("description")
        page.paragraph(parser.description or _sentence(VERBS[verb][1]))
        _options(page, parser)
        page.section("notes and examples")
        page.verbatim(parser.epilog or "")
    _exit_status(page)
    page.section("see also")
    page.paragraph("pe-nfq(1), pe-nfq.toml(5)")
    return page.text


def _synopsis(parser: argparse.ArgumentParser) -> str:
    """What must be there. That of argparse differs from one Python to the next."""
    words = [parser.prog]
    options = [action for action in parser._actions if action.option_strings]
    words += [f"{a.option_strings[0]} {_value(a)}" for a in options if a.required]
    words += ["[OPTION ...]"] * any(not a.required and a.dest != "help" for a in options)
    shapes = {"?": "[{}]", "*": "[{} ...]", "+": "{} ..."}
    positionals = [action for action in parser._actions if not action.option_strings]
    words += [shapes.get(str(a.nargs), "{}").format(_value(a)) for a in positionals]
    return " ".join(words)


def _options(page: Page, parser: argparse.ArgumentParser) -> None:
    for group in parser._action_groups:
        shown = [a for a in group._group_actions if a.help != argparse.SUPPRESS]
        if shown:
            page.section(group.title or "options")
        for action in shown:
            page.item(_term(action), _help(parser, action))


def _term(action: argparse.Action) -> str:
    value = _value(action)
    if not action.option_strings:
        return value
    with_value = f" {value}" if value else ""
    return ", ".join(f"{option}{with_value}" for option in action.option_strings)


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest.upper())


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    required = "required" if action.option_strings and action.required else ""
    return f"{_sentence('; '.join(filter(None, (text, required))) or action.dest)}."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _exit_status(page: Page) -> None:
    page.section("exit status")
    for status, when in EXIT_STATUS.items():
        page.item(str(status), f"{_sentence(when)}.")
