"""What a run has measured, as text for a terminal. Pure."""

from typing import Any


def text(found: dict[str, Any]) -> str:
    """`found` as `Results.as_json` gives it: rows, ratios, notes."""
    facts = found["machine"]
    lines = [f"{facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}; {facts['command']}"]
    width = max((len(row["name"]) for row in found["rows"]), default=0)
    lines += ["", f"{'':<{width}}  {'median':>13}  lowest-highest"]
    for row in found["rows"]:
        median, low, high = (number(row[key]) for key in ("median", "min", "max"))
        lines.append(f"{row['name']:<{width}}  {median:>13}  {low}-{high} {row['unit']}")
    width = max(map(len, found["ratios"]))
    lines += ["", f"{'':<{width}}  ratio  of pairs"]
    for name, ratio in found["ratios"].items():
        if ratio is None:
            lines.append(f"{name:<{width}}      -  not measured")
        else:
            pairs = found["pairs"][name]
            spread = f"{min(pairs):.2f}-{max(pairs):.2f} of {len(pairs)}"
            lines.append(f"{name:<{width}}  {ratio:>5.2f}  {spread}")
    return "\n".join([*lines, *([""] if found["notes"] else []), *found["notes"]])


def number(value: float) -> str:
    """With three digits at least, and thousands apart."""
    if value and abs(value) < 100:
        return f"{value:.3g}"
    return f"{value:,.0f}"
