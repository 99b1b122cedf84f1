"""Environments that break one promise each, and a good one of each kind."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium import spaces

from rlkit.envs import GridWorld, LinearQuadratic
from rlkit.envs.linear_quadratic import Riccati

DRAWING = "S . #\n. X G"


class Plain(gymnasium.Env):
    """A point that is pushed about in the unit square until it is beyond 0.9; it has nothing wrong with it."""

    metadata = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, render_mode=None):
        self.observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.render_mode = render_mode
        self.x = np.zeros(2, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-0.5, 0.5, 2).astype(np.float32)
        return self.x.copy(), {}

    def step(self, action):
        self.x = np.clip(self.x + 0.2 * action + self.noise(), -1.0, 1.0).astype(np.float32)
        return self.x.copy(), float(self.x.sum()), bool(np.abs(self.x).max() > 0.9), False, {}

    def noise(self):
        return 0.02 * self.np_random.normal(size=2)

    def render(self):
        return np.zeros((4, 4, 3), np.uint8) if self.render_mode == "rgb_array" else "."


class Drift(Plain):
    """The same, whose state can be had and set."""

    def get_state(self):
        return {"x": self.x.copy(), "generator": self.np_random.bit_generator.state}

    def set_state(self, state):
        self.x = state["x"].copy()
        self.np_random.bit_generator.state = state["generator"]


class NoActions(Drift):
    def __init__(self):
        super().__init__()
        self.action_space = 2


class FourThings(Drift):
    def step(self, action):
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, info


class SeedsNothing(Drift):
    def reset(self, *, seed=None, options=None):
        return super().reset()


class LeavesItsSpace(Drift):
    def step(self, action):
        observation, *rest = super().step(action)
        return 1.5 * observation, *rest


class ShowsNaN(Drift):
    def step(self, action):
        observation, *rest = super().step(action)
        return np.where(np.abs(observation) > 0.9, np.nan, observation), *rest


class PaysArrays(Drift):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, np.array([reward]), *rest


class PaysInfinity(Drift):
    def step(self, action):
        observation, _, terminated, *rest = super().step(action)
        return observation, np.inf if terminated else 0.0, terminated, *rest


class EndsInNumbers(Drift):
    def step(self, action):
        observation, reward, terminated, *rest = super().step(action)
        return observation, reward, int(terminated), *rest


class RemembersEpisodes(Drift):
    """Pays less from episode to episode, whatever its seed."""

    episodes = 0

    def reset(self, *, seed=None, options=None):
        self.episodes += 1
        return super().reset(seed=seed)

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward / self.episodes, *rest


class DrawsGlobally(Drift):
    def noise(self):
        return 0.02 * np.random.normal(size=2)  # noqa: NPY002


class SeedsGlobally(Drift):
    def reset(self, *, seed=None, options=None):
        np.random.seed(0)  # noqa: NPY002
        return super().reset(seed=seed)


class ReturnsItsBuffer(Drift):
    def reset(self, *, seed=None, options=None):
        self.buffer = np.zeros(2, np.float32)
        return self.filled(super().reset(seed=seed))

    def step(self, action):
        return self.filled(super().step(action))

    def filled(self, returned):
        self.buffer[:] = returned[0]
        return self.buffer, *returned[1:]


class ReturnsItsState(Drift):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.x, {}

    def step(self, action):
        _, *rest = super().step(action)
        return self.x, *rest


class ClipsActionsInPlace(Drift):
    def step(self, action):
        np.clip(action, -0.5, 0.5, out=action)
        return super().step(action)


class KeepsTheAction(Drift):
    """Pays by how much the action is another than the last."""

    last = None

    def reset(self, *, seed=None, options=None):
        self.last = None
        return super().reset(seed=seed)

    def step(self, action):
        observation, _, *rest = super().step(action)
        change = 0.0 if self.last is None else float(np.abs(action - self.last).sum())
        self.last = action
        return observation, change, *rest


class DrawsToDraw(Drift):
    def render(self):
        self.np_random.random()
        return super().render()


class DrawsFloats(Drift):
    def render(self):
        frame = super().render()
        return frame if isinstance(frame, str) else frame.astype(np.float32)


class ForgetsItsGenerator(Drift):
    def get_state(self):
        return {"x": self.x.copy()}

    def set_state(self, state):
        self.x = state["x"].copy()


class HandsOutItsGenerator(Drift):
    """What it hands out moves with it."""

    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed)
        self.total = np.zeros(1)
        return observation, info

    def step(self, action):
        returned = super().step(action)
        self.total += returned[1]
        return returned

    def get_state(self):
        return {**super().get_state(), "total": self.total}


class CannotBeSaved(Drift):
    def get_state(self):
        return {**super().get_state(), "how": self.noise}


class MovesWhenAsked(Drift):
    def get_state(self):
        state = super().get_state()
        self.np_random.random()
        return state


class HasAnotherGenerator(Plain):
    """Draws its noise from a generator of its own, which a seed alone brings back."""

    def reset(self, *, seed=None, options=None):
        if seed is not None or not hasattr(self, "dice"):
            self.dice = np.random.default_rng(seed)
        return super().reset(seed=seed)

    def noise(self):
        return 0.02 * self.dice.normal(size=2)


class Grid(GridWorld):
    """A small grid world with slip; it has nothing wrong with it."""

    def __init__(self):
        super().__init__(DRAWING, slip=0.3, step_reward=-0.1)


class SlipsMoreThanItSays(Grid):
    def model(self):
        return GridWorld(DRAWING, slip=0.25, step_reward=-0.1).model()


class SlipsMuchMoreThanItSays(Grid):
    def model(self):
        return GridWorld(DRAWING, slip=0.1, step_reward=-0.1).model()


class DoesWhatItsModelRulesOut(Grid):
    def model(self):
        return GridWorld(DRAWING, slip=0.0, step_reward=-0.1).model()


class PaysLessThanItSays(Grid):
    def model(self):
        return GridWorld(DRAWING, slip=0.3, step_reward=-0.1, forbidden_reward=-0.9).model()


class EndsElsewhere(Grid):
    def model(self):
        return GridWorld(DRAWING, slip=0.3, step_reward=-0.1, continuing=True).model()


class DoesNotEnd(Grid):
    """Begins anew by itself where its episodes end."""

    def step(self, action):
        state, reward, terminated, *rest = super().step(action)
        if terminated:
            self.reset()
        return state, reward, False, *rest


class HasOtherStates(Grid):
    def model(self):
        return GridWorld("S . . G").model()


class HasNoModelAfterAll(Grid):
    def model(self):
        raise self.error

    error = ZeroDivisionError("model")


class BeginsElsewhere(Grid):
    @property
    def initial_state_distrib(self):
        return np.array([0.8, 0.2, 0.0, 0.0, 0.0])


class BeginsTooSeldom(GridWorld):
    """Begins in one of two cells, and says that one of them is the likelier."""

    def __init__(self):
        super().__init__("S S G")

    @property
    def initial_state_distrib(self):
        return np.array([0.6, 0.4, 0.0])


class MissesTheBest(LinearQuadratic):
    def optimum(self, gamma):
        best = super().optimum(gamma)
        gain = 0.9 * best.K
        return Riccati(best.P * self.cost_of(gain, gamma) / self.cost_of(best.K, gamma), gain, best.constant)


class CostsMoreThanItSays(LinearQuadratic):
    def optimum(self, gamma):
        best = super().optimum(gamma)
        return best._replace(P=0.99 * best.P)


class StepsByAnotherSystem(LinearQuadratic):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, 1.01 * reward, *rest


class IsNoisierThanItSays(LinearQuadratic):
    def __init__(self):
        super().__init__(noise=0.3)

    def optimum(self, gamma):
        return LinearQuadratic(noise=0.1).optimum(gamma)

    def cost_of(self, K, gamma):
        return LinearQuadratic(noise=0.1).cost_of(K, gamma)


BAD = {
    "check_is_an_environment": [NoActions, FourThings],
    "check_gymnasiums_own": [SeedsNothing],
    "check_observations_are_in_their_space": [LeavesItsSpace, ShowsNaN],
    "check_rewards_are_finite_numbers": [PaysArrays, PaysInfinity],
    "check_ends_are_bools": [EndsInNumbers],
    "check_same_seed_same_episodes": [SeedsNothing, RemembersEpisodes],
    "check_global_generators_are_left_alone": [DrawsGlobally, SeedsGlobally],
    "check_observations_stay_as_they_were": [ReturnsItsBuffer],
    "check_writing_to_observations_changes_nothing": [ReturnsItsState],
    "check_actions_are_neither_changed_nor_kept": [ClipsActionsInPlace, KeepsTheAction],
    "check_pictures_change_nothing": [DrawsToDraw, DrawsFloats],
    "check_state_round_trip": [ForgetsItsGenerator, HandsOutItsGenerator, CannotBeSaved, MovesWhenAsked],
    "check_resume_is_exact": [ForgetsItsGenerator, HasAnotherGenerator],
    "check_model_fits_the_spaces": [HasOtherStates, HasNoModelAfterAll],
    "check_model_transitions": [SlipsMoreThanItSays, SlipsMuchMoreThanItSays, DoesWhatItsModelRulesOut],
    "check_model_rewards": [PaysLessThanItSays],
    "check_model_ends": [EndsElsewhere, DoesNotEnd],
    "check_model_starts": [BeginsElsewhere, BeginsTooSeldom],
    "check_optimum_is_the_best": [MissesTheBest, CostsMoreThanItSays],
    "check_optimum_agrees_with_steps": [StepsByAnotherSystem, IsNoisierThanItSays],
}
"""What breaks the promise of each check."""
