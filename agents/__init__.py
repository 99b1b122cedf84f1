"""Planners and learners: `import rlkit.agents`."""

if __name__ == "agents":
    raise ImportError("import rlkit.agents, not agents")
