"""List the planners and learners with their hyperparameters."""

from __future__ import annotations


def run() -> None:
    """List every planner and learner, what it does, and its hyperparameters with defaults and ranges."""
    from rlkit.agents import catalogue

    for name, agent in catalogue().items():
        promise = (agent.__doc__ or "").strip().splitlines()[0]
        print(f"{name}\n  {promise}")
        print("\n".join(_hyperparameters(agent)))
        print()


def _hyperparameters(agent: type) -> list[str]:
    """One line a field of the agent's `Config`."""
    import dataclasses

    config = getattr(agent, "Config", None)
    if config is None:
        return []
    fields = dataclasses.fields(config)
    width = max((len(f"{field.name} = {field.default}") for field in fields), default=0)
    lines = []
    for field in fields:
        limits = field.metadata.get("range")
        inside = "" if limits is None or str(limits) == "(-inf, inf)" else f"in {limits}"
        about = "; ".join(text for text in (inside, field.metadata.get("help", "")) if text)
        lines.append(f"    {f'{field.name} = {field.default}':<{width}}  {about}".rstrip())
    return lines
