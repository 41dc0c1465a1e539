"""Pictures of a profile, with Matplotlib (the extra `plot`)."""

from __future__ import annotations

from pathlib import Path

from ..accumulator import signed_bits
from .profile import Profile

SEEN, PROVEN, SKIPPED = "#1f5fa8", "#c9d3de", "#e3a24f"


def plot_profile(profile: Profile, path: str | Path) -> None:
    """Three panels: select rates, MACs executed and skipped by layer, bits of the values seen and proven."""
    from matplotlib.figure import Figure

    rows = max(len(profile.layers), len(profile.ranges) // 2, 8)
    figure = Figure(figsize=(17, 1.5 + 0.24 * rows), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1.3, 1.3])
    figure.suptitle(f"{profile.images:,} images")

    names = [mux.name for mux in profile.muxes]
    bars = left.barh(names, [100 * mux.selected for mux in profile.muxes], color=SEEN)
    left.bar_label(bars, fmt="%.0f %%", padding=3)
    left.set(title="multiplexers: channels with S = 1", xlabel="%", xlim=(0, 110))
    if not names:
        left.text(0.5, 0.5, "none", transform=left.transAxes, ha="center", va="center")

    names = [layer.name for layer in profile.layers]
    executed = [layer.executed / 1e6 for layer in profile.layers]
    skipped = [(layer.macs - layer.executed) / 1e6 for layer in profile.layers]
    middle.barh(names, executed, color=SEEN, label="executed")
    middle.barh(names, skipped, left=executed, color=SKIPPED, label="skipped")
    saved = 1 - profile.executed / profile.macs if profile.macs else 0.0
    middle.set(title=f"MACs an image: {100 * saved:.1f} % skipped", xlabel="10⁶ MACs")
    middle.legend(loc="best")

    sums = [r for r in profile.ranges if r.proven.signed]
    names = [r.name for r in sums]
    right.barh(names, [signed_bits(r.proven) for r in sums], color=PROVEN, label="proven")
    right.barh(names, [signed_bits(r.seen) for r in sums], color=SEEN, height=0.45, label="seen")
    right.set(title="accumulators: signed bits", xlabel="bits")
    right.legend(loc="best")
    for axis in (left, middle, right):
        axis.invert_yaxis()
        axis.tick_params(axis="y", labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
