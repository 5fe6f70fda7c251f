"""Steering: what a decided mark means to the kernel.

`contract` is what the supervisor relies on. With ``route`` the path is:
`plan` (what should be there, from a snapshot; `layout` places the ip rules,
`slots` fills the fallback), `diff` (what to change, in a safe order), `kernel`
(netlink), all driven by `route`. With ``ipvs`` it is `ipvs_plan`, `ipvs_diff`,
`pe_nfq.ipvs`, driven by `ipvs`. With ``mark`` nothing is ours to do.
"""

from pe_nfq.errors import SteeringError
from pe_nfq.steering.contract import Report, Settings, Steered, Steering

__all__ = ["Report", "Settings", "Steered", "Steering", "make_steering"]


def make_steering(kind: str, settings: Settings) -> Steering:
    """The steering called `kind`: ``ipvs``, ``route`` or ``mark``. Raises SteeringError."""
    if kind == "ipvs":
        from pe_nfq.steering.ipvs import IpvsSteering

        return IpvsSteering(settings)
    if kind == "route":
        # Only here: netlink's library takes a tenth of a second to import.
        from pe_nfq.steering.route import RouteSteering

        return RouteSteering(settings)
    if kind == "mark":
        from pe_nfq.steering.mark import MarkSteering

        return MarkSteering()
    raise SteeringError(f"steering {kind!r} is unknown; ipvs, route and mark are supported")
