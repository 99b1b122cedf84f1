"""List the shipped maps and the environments that know their exact model."""

from __future__ import annotations

CONTINUOUS = (
    (
        "rlkit/LinearQuadratic-v0",
        "a mass to bring to rest, or your A, B, Q, R",
        "Riccati's optimum: optimum(gamma)",
    ),
    (
        "rlkit/RandomLinearQuadratic-v0",
        "a random linear system of any size",
        "Riccati's optimum: optimum(gamma)",
    ),
    (
        "rlkit/PointMaze-v0",
        "a point mass to push through any map",
        "the shortest way: reference()",
    ),
    (
        "rlkit/MountainCar-v0",
        "an engine too weak for the slope, as in the book",
        "its dynamics alone",
    ),
)
"""Id, what it is, and what is known exactly."""


def run() -> None:
    """List the shipped maps and gymnasium ids; `rlkit train` takes all, `rlkit solve` the finite ones."""
    from rlkit.cli._text import columns
    from rlkit.envs.gridworld.maps import shipped_maps
    from rlkit.envs.registration import CHAINS, SHIPPED_GRIDS

    ids = {shipped: f"rlkit/{name}-v0" for name, shipped in SHIPPED_GRIDS.items()}
    rows = [("map", "size", "gymnasium id", "rules"), *(_row(name, ids.get(name, "")) for name in shipped_maps())]
    print(columns(rows, to_the_right=(1,)))
    print()
    print(columns([("gymnasium id", "states", "what it is"), *map(_chain_row, CHAINS)], to_the_right=(1,)))
    print()
    print(columns([("gymnasium id, continuous", "what it is", "known exactly"), *CONTINUOUS], to_the_right=()))
    print("\n  rlkit.truth.optimality_gap(policy, env, gamma) says what a policy costs beyond Riccati's optimum.")
    print("  rlkit/GridWorld-v0 takes any map: gymnasium.make('rlkit/GridWorld-v0', map=...).")
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
