"""List the shipped maps and the environments that know their exact model."""

from __future__ import annotations


def run() -> None:
    """List the shipped maps and gymnasium ids; each name goes with `rlkit solve`, each id with `gymnasium.make` too."""
    from rlkit.cli._text import columns
    from rlkit.envs.gridworld.maps import shipped_maps
    from rlkit.envs.registration import CHAINS, SHIPPED_GRIDS

    ids = {shipped: f"rlkit/{name}-v0" for name, shipped in SHIPPED_GRIDS.items()}
    rows = [("map", "size", "gymnasium id", "rules"), *(_row(name, ids.get(name, "")) for name in shipped_maps())]
    print(columns(rows, to_the_right=(1,)))
    print()
    print(columns([("gymnasium id", "states", "what it is"), *map(_chain_row, CHAINS)], to_the_right=(1,)))
    print("\n  rlkit/GridWorld-v0 takes any map: gymnasium.make('rlkit/GridWorld-v0', map=...).")
    print("  rlkit solve also takes your own map files, and other environments that publish their transition table:")
    print(f"  {', '.join(_tables())}.")


def _row(name: str, identity: str) -> tuple[str, str, str, str]:
    from rlkit.envs.gridworld.layout import Layout
    from rlkit.envs.gridworld.loading import settle_rules
    from rlkit.envs.gridworld.maps import load_map

    grid, own = load_map(name)
    rules = settle_rules(None, own, {})
    height, width = Layout(grid, rules).shape
    kind = "continuing" if rules.continuing else "episodic"
    slip = f", slip {rules.slip:.2g}" if rules.slip else ""
    return (
        name,
        f"{height} x {width}",
        identity,
        f"{kind}, {rules.moves} moves{' and stay' if rules.stay else ''}{slip}",
    )


def _chain_row(name: str) -> tuple[str, str, str]:
    import gymnasium

    env = gymnasium.make(f"rlkit/{name}-v0").unwrapped
    promise = (type(env).__doc__ or "").splitlines()[0].rstrip(".")
    return f"rlkit/{name}-v0", str(env.observation_space.n), promise  # type: ignore[attr-defined]


def _tables() -> list[str]:
    """The toy text environments that gymnasium ships, but Blackjack, which has no table."""
    import gymnasium

    toys = [key for key, spec in gymnasium.registry.items() if "toy_text" in str(spec.entry_point)]
    return sorted(toy for toy in toys if "Blackjack" not in toy and "tabular" not in toy.lower())
