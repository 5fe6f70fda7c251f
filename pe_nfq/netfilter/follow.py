"""Loaded rules follow the daemon's services: adopted, changed at run time, or read again.

Only rules that somebody has loaded: whether a director has them at all is the
operator's word. They are replaced as `rules load` replaces them, with nothing lost.
"""

from pe_nfq.netfilter import backend
from pe_nfq.netfilter.backend import RETURNS, Backend
from pe_nfq.netfilter.rewriting import settle
from pe_nfq.netfilter.ruleset import RuleSet


def follow(rules: RuleSet) -> str:
    """Put `rules` in the place of what is loaded, where that differs; what was done, or "".

    Raises PeNfqError; what was there is there then.
    """
    with backend.Exclusive():
        if not backend.holders():
            return ""
        settled = settle(rules)
        chosen = backend.choose("auto", settled.rules)
        if _is_loaded(chosen, settled.rules):
            return ""
        backend.load(chosen, settled.rules)
    trouble = f"; {settled.trouble}: {settled.remedy}" if settled.trouble else ""
    return f"loaded with {chosen.name}: {', '.join(map(str, rules.services))}{trouble}"


def _is_loaded(chosen: Backend, rules: RuleSet) -> bool:
    if chosen.ours() != chosen.expected(rules) or backend.leftovers(chosen, rules):
        return False
    return not backend.uses_returns(rules) or RETURNS.ours() == RETURNS.expected(rules)
