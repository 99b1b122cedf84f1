"""Agents with neural networks: `from rlkit.agents import NeuralTD, DQN`."""
