"""Agents that keep all promises, and others, made of them, that each break one: what the checks of agents have to find.

`CASES` lists the bad ones, each with where it is checked and the checks that have to fail, and no others.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from gymnasium import spaces

from rlkit import Agent, ReplayAgent, bounded

GRID, CART, PENDULUM = "FrozenLake-v1", "CartPole-v1", "Pendulum-v1"


class Table(Agent):
    """Q-learning with a table; it tells no values, as the shortest of users' agents."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        learning_rate: float = bounded(0.1, above=0, up_to=1)
        epsilon: float = bounded(0.3, at_least=0, up_to=1)

    def setup(self):
        self.q = np.zeros((self.observation_space.n, self.action_space.n))  # [S, A]

    def act(self, observation, *, explore=False):
        if explore and self.rng.random() < self.config.epsilon:
            return int(self.rng.integers(self.action_space.n))
        return self.best(observation)

    def best(self, observation):
        return int(self.q[observation].argmax())

    def update(self, t):
        error = self.target(t) - self.q[t.observation, t.action]
        self.learn(t.observation, t.action, error)
        return {"td_error": float(error)}

    def target(self, t):
        return t.reward + (0.0 if t.terminated else self.config.gamma * self.q[t.next_observation].max())

    def learn(self, observation, action, error):
        self.q[observation, action] += self.config.learning_rate * error


class Linear(Agent):
    """Q-learning that is linear in the observation; it tells its values."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        learning_rate: float = bounded(0.01, above=0, up_to=1)
        epsilon: float = bounded(0.3, at_least=0, up_to=1)

    def setup(self):
        self.w = np.zeros((self.action_space.n, self.observation_space.shape[0]))  # [A, O]

    def act(self, observation, *, explore=False):
        if explore and self.rng.random() < self.config.epsilon:
            return int(self.rng.integers(self.action_space.n))
        return int((self.w @ observation).argmax())

    def update(self, t):
        bootstrap = 0.0 if t.terminated else (self.w @ t.next_observation).max()
        error = t.reward + self.config.gamma * bootstrap - self.w[t.action] @ t.observation
        self.w[t.action] += self.config.learning_rate * error * t.observation
        return {"td_error": float(error)}

    def act_batch(self, observations, *, explore=True):
        return np.array([self.act(observation, explore=explore) for observation in observations])

    def update_batch(self, transitions, valid=None):
        from rlkit.transition import Transition

        metrics = {}
        for i, parts in enumerate(zip(*transitions, strict=True)):
            if valid is None or valid[i]:
                metrics = self.update(Transition(*parts))
        return metrics

    def action_values(self, observations):
        return np.asarray(observations) @ self.w.T  # [N, A]


class Continuous(Agent):
    """A linear actor-critic in the manner of Degris, White & Sutton (2012); what it explores by has a memory."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        learning_rate: float = bounded(0.001, above=0, up_to=1)

    def setup(self):
        n_actions, n_seen = self.action_space.shape[0], self.observation_space.shape[0]
        self.v = np.zeros(n_seen)
        self.mean = np.zeros((n_actions, n_seen))
        self.noise = np.zeros(n_actions)

    def act(self, observation, *, explore=False):
        action = self.mean @ observation
        if explore:
            self.noise = 0.8 * self.noise + self.rng.normal(size=self.noise.size)
            action = action + self.noise
        return self.fitted(action)

    def fitted(self, action):
        return action.clip(self.action_space.low, self.action_space.high).astype(np.float32)

    def update(self, t):
        bootstrap = 0.0 if t.terminated else self.v @ t.next_observation
        error = float(t.reward + self.config.gamma * bootstrap - self.v @ t.observation)
        self.v += self.config.learning_rate * error * t.observation
        gap = t.action - self.mean @ t.observation
        self.mean += self.config.learning_rate * error * np.outer(gap, t.observation)
        return {"td_error": error}

    def state_values(self, observations):
        return np.asarray(observations) @ self.v


class Network(ReplayAgent):
    """Q-learning with a small network and a target network, from replay, written with torch's autograd."""

    @dataclass(frozen=True, kw_only=True)
    class Config(ReplayAgent.Config):
        buffer_size: int = bounded(1000, at_least=1)
        batch_size: int = bounded(16, at_least=1)
        learning_starts: int = bounded(16, at_least=0)
        learning_rate: float = bounded(0.01, above=0)
        epsilon: float = bounded(0.3, at_least=0, up_to=1)

    def setup(self):
        import torch

        super().setup()
        n_seen, n_actions = self.observation_space.shape[0], int(self.action_space.n)
        self.network, self.target = (torch.nn.Sequential(self.layer(n_seen, 16), torch.nn.Tanh(),
            self.layer(16, n_actions)) for _ in range(2))  # fmt: skip
        self.target.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.Adam(self.network.parameters(), self.config.learning_rate)

    def layer(self, n_inputs, n_outputs):
        """Return a layer whose first weights come from the agent's own generator: `torch.nn.Linear` asks the global."""
        import torch

        layer = torch.nn.utils.skip_init(torch.nn.Linear, n_inputs, n_outputs)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.uniform_(-0.3, 0.3, generator=self.torch_generator)
        return layer

    def act(self, observation, *, explore=False):
        if explore and self.rng.random() < self.config.epsilon:
            return int(self.rng.integers(self.action_space.n))
        return int(self.action_values(observation[None])[0].argmax())

    def learn_batch(self, batch):
        import torch

        parts = [torch.from_numpy(np.asarray(part)) for part in batch]
        observation, action, reward, following, terminated = parts
        with torch.no_grad():
            going_on = self.config.gamma * ~terminated
            y = reward.float() + going_on * self.target(following).amax(1)
        error = y - self.network(observation).gather(1, action[:, None]).squeeze(1)
        loss = error.square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.network.parameters(), strict=True):
                slow.lerp_(fast, 0.05)
        return {"loss": loss.detach()}

    def action_values(self, observations):
        import torch

        with torch.no_grad():
            return self.network(torch.as_tensor(np.asarray(observations, np.float32))).numpy()


class NeedsMoreThanItIsMadeOf(Table):
    """What `for_env` adds, a file does not know of."""

    @classmethod
    def for_env(cls, env, *, seed=None, **hyperparameters):
        agent = super().for_env(env, seed=seed, **hyperparameters)
        agent.first_action = 0
        return agent

    def best(self, observation):
        return max(self.first_action, super().best(observation))


class ForgetsItsSeed(Table):
    """Takes a seed and does not pass it on."""

    @classmethod
    def for_env(cls, env, *, seed=None, **hyperparameters):
        return super().for_env(env, seed=0, **hyperparameters)


class Stumbles(Table):
    """Fails when an episode is cut short or over."""

    def target(self, t):
        if t.terminated or t.truncated:
            raise KeyError("end")
        return super().target(t)


class WritesToItsConfig(Table):
    """Lets exploration decay where hyperparameters are."""

    def learn(self, observation, action, error):
        super().learn(observation, action, error)
        object.__setattr__(self.config, "epsilon", 0.99 * self.config.epsilon)


class ReplacesItsConfig(Table):
    """Lets exploration decay in a Config of its own."""

    def learn(self, observation, action, error):
        super().learn(observation, action, error)
        self.config = type(self.config)(epsilon=0.99 * self.config.epsilon)


class HasAHyperparameterWithoutARange(Table):
    """Takes any number for a step size."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Table.Config):
        second_rate: float = 0.5


class HasAHyperparameterThatIsNone(Table):
    """Forgets the type of a step size, which nobody can set, then."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Table.Config):
        second_rate = 0.5


class DrawsFromTheGlobalGenerator(Table):
    """Explores by Python's global generator."""

    def act(self, observation, *, explore=False):
        if explore and random.random() < self.config.epsilon:
            return random.randrange(int(self.action_space.n))
        return self.best(observation)


class DrawsFromTheOperatingSystem(Table):
    """Has a generator without a seed."""

    def setup(self):
        super().setup()
        self.dice = np.random.default_rng()

    def act(self, observation, *, explore=False):
        if explore and self.dice.random() < self.config.epsilon:
            return int(self.dice.integers(self.action_space.n))
        return self.best(observation)


class SamplesTheSpace(Table):
    """Explores by the action space's own generator, which nobody seeds."""

    def act(self, observation, *, explore=False):
        if explore and self.rng.random() < self.config.epsilon:
            return int(self.action_space.sample())
        return self.best(observation)


class HidesStateInItsClass(Table):
    """Counts its updates where all agents of the class do."""

    n_learnt = 0

    def learn(self, observation, action, error):
        type(self).n_learnt += 1
        self.q[observation, action] += error / (10 + 0.1 * self.n_learnt)


class HasOneSeed(Table):
    """Explores alike, whatever its seed."""

    def setup(self):
        super().setup()
        self.dice = np.random.default_rng(0)

    def act(self, observation, *, explore=False):
        if explore and self.dice.random() < self.config.epsilon:
            return int(self.dice.integers(self.action_space.n))
        return self.best(observation)


class MakesItsDiceAnew(Table):
    """Throws new dice each time, which fall alike."""

    def act(self, observation, *, explore=False):
        dice = np.random.default_rng(0)
        if explore and dice.random() < self.config.epsilon:
            return int(dice.integers(self.action_space.n))
        return self.best(observation)


class ExploresByPlan(Table):
    """Tries the last action of all, whatever its seed."""

    def act(self, observation, *, explore=False):
        return int(self.action_space.n) - 1 if explore and not self.q[observation].any() else self.best(observation)


class SeedsTheGlobalGenerator(Table):
    """Makes everybody else's numbers repeat."""

    def setup(self):
        super().setup()
        np.random.seed(0)  # noqa: NPY002


class SharesItsTable(Table):
    """All agents learn in one table."""

    tables: ClassVar[dict[Any, Any]] = {}

    def setup(self):
        super().setup()
        self.q = self.tables.setdefault(self.q.shape, self.q)


LAST_ERRORS: list[float] = []


class LearnsByWhatItsModuleHolds(Table):
    """Takes smaller steps after a large error, anybody's: the list of them belongs to no agent."""

    def learn(self, observation, action, error):
        LAST_ERRORS[:] = [*LAST_ERRORS[-3:], abs(float(error))]
        super().learn(observation, action, error / (1.0 + max(LAST_ERRORS)))


class DoesWhatThereIsNot(Table):
    """Explores one action too many."""

    def act(self, observation, *, explore=False):
        if explore and self.rng.random() < self.config.epsilon:
            return int(self.rng.integers(self.action_space.n + 1))
        return self.best(observation)


class ExceedsTheBounds(Continuous):
    """Adds noise and does not clip."""

    def fitted(self, action):
        return action.astype(np.float32)


class ReusesItsAction(Continuous):
    """Returns one array, again and again."""

    def setup(self):
        super().setup()
        self.last = np.zeros(self.action_space.shape, np.float32)

    def fitted(self, action):
        self.last[...] = super().fitted(action)
        return self.last


class LearnsInAct(Table):
    """Values what it explores less."""

    def act(self, observation, *, explore=False):
        action = super().act(observation, explore=explore)
        if explore:
            self.q[observation, action] -= 0.001
        return action


class TossesForTies(Table):
    """Is greedy, but not the same every time."""

    def act(self, observation, *, explore=False):
        values = self.q[observation]
        if not explore and not values.any():
            return int(self.rng.integers(values.size))
        return super().act(observation, explore=explore)


class AlwaysExplores(Table):
    """Does not listen to whether it may explore."""

    def act(self, observation, *, explore=False):
        return super().act(observation, explore=True)


class DrawsWhenGreedy(Table):
    """Draws a number that only counts when it explores."""

    def act(self, observation, *, explore=False):
        if self.rng.random() < self.config.epsilon and explore:
            return int(self.rng.integers(self.action_space.n))
        return self.best(observation)


class CountsWhatItSees(Linear):
    """Scales observations by what it was shown, when it is only evaluated, too."""

    def setup(self):
        super().setup()
        self.n_shown = 0

    def act(self, observation, *, explore=False):
        self.n_shown += 1
        return super().act(observation, explore=explore)


class PredictsWithoutState(Table):
    """Predicts an action where stable-baselines3 expects two things."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return super().predict(observation, state, episode_start, deterministic)[0]


class ActsInTheWrongOrder(Linear):
    """Mixes up which environment is which."""

    def act_batch(self, observations, *, explore=True):
        return super().act_batch(observations, explore=explore)[::-1]


class TellsWeightsForProbabilities(Table):
    """Does not divide by the sum."""

    def probs(self, observation):
        return np.exp(self.q[observation])


class TellsValuesTheWrongWayRound(Linear):
    """Has a row for each action."""

    def action_values(self, observations):
        return super().action_values(observations).T

    def state_values(self, observations):
        return super().action_values(observations).max(axis=1)


class Forgets(Table):
    """Works out what it should learn, and does not."""

    def learn(self, observation, action, error):
        pass


class IgnoresRewards(Table):
    """Looks at where it gets, not at what that pays."""

    def target(self, t):
        return 1.0 + super().target(t._replace(reward=0.0))


class LearnsTheWrongWay(Table):
    """Has one wrong sign."""

    def learn(self, observation, action, error):
        self.q[observation, action] -= self.config.learning_rate * error


class LearnsTheWrongWayAndSaysSo(LearnsTheWrongWay):
    """Has one wrong sign, and tells its values."""

    def action_values(self, observations):
        return self.q[observations]


class Diverges(Table):
    """Adds the value that it should subtract; and tells its values."""

    def learn(self, observation, action, error):
        super().learn(observation, action, error + 2.0 * self.q[observation, action])

    def action_values(self, observations):
        return self.q[observations]


class ReturnsNothing(Table):
    """Has no numbers to log, not even none."""

    def update(self, t):
        super().update(t)


class ReturnsAnArray(Table):
    """Logs a whole row."""

    def update(self, t):
        return {**super().update(t), "q": self.q[t.observation]}


class DividesByZero(Table):
    """Logs what is not finite."""

    def update(self, t):
        super().update(t)
        return {"ratio": float("nan")}


class BootstrapsFromTheEnd(Table):
    """Gives terminal states a value."""

    def target(self, t):
        return super().target(t._replace(terminated=False))


class TakesTruncationForTermination(Table):
    """Takes any end of an episode for the end of the world: what `done` was for."""

    def target(self, t):
        return super().target(t._replace(terminated=t.terminated or t.truncated))


class SwapsTheEnds(Table):
    """Confuses the two."""

    def target(self, t):
        return super().target(t._replace(terminated=t.truncated, truncated=t.terminated))


class CarriesItsTraceOn(Table):
    """Has traces that end with an episode only if somebody else says so."""

    def setup(self):
        super().setup()
        self.trace = np.zeros_like(self.q)

    def learn(self, observation, action, error):
        self.trace *= 0.9
        self.trace[observation, action] += 1.0
        self.q += self.config.learning_rate * error * self.trace

    def abandon_episode(self):
        self.trace[:] = 0.0


class ScalesInPlace(Linear):
    """Writes to the observation."""

    def act(self, observation, *, explore=False):
        observation *= 0.5
        return super().act(observation, explore=explore)


class WritesToTransitions(Linear):
    """Scales what it was told in place, and learns the same."""

    def update(self, t):
        t.next_observation[:] = np.clip(t.next_observation, -1, 1)
        return super().update(t)


class KeepsWhatItIsTold(Linear):
    """Learns from the transition before last, of which it has no copy."""

    def setup(self):
        super().setup()
        self.told = []

    def update(self, t):
        self.told.append(t)
        return super().update(self.told[-2]) if len(self.told) > 1 else {}


class LearnsFromWhatIsNoTransition(Linear):
    """Does not look at which transitions are valid."""

    def update_batch(self, transitions, valid=None):
        return super().update_batch(transitions)


class HoldsAFunction(Table):
    """Has an attribute that no file can hold."""

    def setup(self):
        super().setup()
        self.rate = lambda n: 1.0 / n


class Grows(Table):
    """Has an array that grows, which `setup` cannot make again."""

    def setup(self):
        super().setup()
        self.errors = np.zeros(0)

    def learn(self, observation, action, error):
        super().learn(observation, action, error)
        self.errors = np.append(self.errors, error)


class LeavesOutItsTrace(Table):
    """Does not save what it needs to go on."""

    def setup(self):
        super().setup()
        self.trace = np.zeros_like(self.q)

    def learn(self, observation, action, error):
        self.trace *= 0.9
        self.trace[observation, action] += 1.0
        self.q += self.config.learning_rate * error * self.trace

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "trace"}


class HidesStateInItsModule(Table):
    """Counts its updates in a book of its own, which no file knows of."""

    book: ClassVar[WeakKeyDictionary[Agent, int]] = WeakKeyDictionary()

    def learn(self, observation, action, error):
        n_learnt = self.book[self] = self.book.get(self, 0) + 1
        super().learn(observation, action, error / (1.0 + 0.1 * n_learnt))


class BeginsAgainWithEachRun(Table):
    """Takes the beginning of a run for the beginning of all learning."""

    def setup(self):
        super().setup()
        self.n_learnt = 0

    def prepare(self, total_steps):
        self.n_learnt = 0

    def learn(self, observation, action, error):
        self.n_learnt += 1
        super().learn(observation, action, error / (1.0 + 0.1 * self.n_learnt))


class LoadsAnything(Table):
    """Makes a fresh agent of a file that it cannot read."""

    @classmethod
    def load(cls, path):
        try:
            return super().load(path)
        except Exception:
            return cls(spaces.Discrete(16), spaces.Discrete(4))


class StoresTruncationAsTermination(Network):
    """Keeps one flag for both ends of an episode."""

    def update(self, t):
        return super().update(t._replace(terminated=t.terminated or t.truncated))


class BeginsWithGlobalWeights(Network):
    """Makes its layers as torch does, by its global generator."""

    def layer(self, n_inputs, n_outputs):
        import torch

        return torch.nn.Linear(n_inputs, n_outputs)


class LeavesOutItsTarget(Network):
    """Does not save its target network, and begins with another."""

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "target"}


class HooksItsNetwork(Network):
    """Watches its network by a function, which has no saved form."""

    def setup(self):
        super().setup()
        self.network.register_forward_hook(lambda module, inputs, output: None)


class NeverTakesAStep(Network):
    """Works out how wrong it is, and leaves it at that."""

    def learn_batch(self, batch):
        return {"loss": 1.0}


class Case(NamedTuple):
    """A bad agent, where it is checked, and the checks that fail."""

    agent: type[Agent]
    env: str
    failing: set[str]


ENDS = "check_terminated_transitions_do_not_bootstrap", "check_truncated_transitions_bootstrap"
SAME, TRACE = "check_same_seed_gives_the_same_agent", "check_greedy_act_leaves_no_trace"
LEARNS, RESUME = "check_learns_something", "check_resume_is_exact"  # the latter trains it in a run
GOING_ON = "check_loaded_agent_goes_on_as_the_saved_one"
CASES = [
    Case(NeedsMoreThanItIsMadeOf, GRID, {"check_builds_from_spaces_config_and_seed"}),
    Case(ForgetsItsSeed, GRID, {"check_builds_from_spaces_config_and_seed"}),
    Case(Stumbles, GRID, {"check_acts_and_learns_without_an_error"}),
    Case(WritesToItsConfig, GRID, {"check_config_is_frozen", RESUME}),
    Case(ReplacesItsConfig, GRID, {"check_config_is_frozen", RESUME}),
    Case(HasAHyperparameterWithoutARange, GRID, {"check_hyperparameters_have_ranges"}),
    Case(HasAHyperparameterThatIsNone, GRID, {"check_hyperparameters_have_ranges"}),
    Case(DrawsFromTheGlobalGenerator, GRID, {SAME, "check_global_generators_are_untouched"}),
    Case(DrawsFromTheOperatingSystem, GRID, {SAME}),
    Case(SamplesTheSpace, GRID, {SAME}),
    Case(HidesStateInItsClass, GRID, {SAME}),
    Case(HasOneSeed, GRID, {"check_seeds_differ"}),
    Case(MakesItsDiceAnew, GRID, {"check_seeds_differ"}),
    Case(ExploresByPlan, GRID, {"check_seeds_differ"}),
    Case(SeedsTheGlobalGenerator, GRID, {"check_global_generators_are_untouched"}),
    Case(SharesItsTable, GRID, {"check_agents_share_nothing", SAME, LEARNS}),  # a fresh one knows it all
    Case(LearnsByWhatItsModuleHolds, GRID, {"check_agents_share_nothing"}),
    Case(DoesWhatThereIsNot, GRID, {"check_actions_are_in_the_space", RESUME}),
    Case(ExceedsTheBounds, PENDULUM, {"check_actions_are_in_the_space", RESUME}),
    Case(ReusesItsAction, PENDULUM, {"check_actions_stay_as_they_were_returned"}),
    Case(LearnsInAct, GRID, {"check_act_does_not_learn"}),
    Case(TossesForTies, GRID, {"check_greedy_act_is_deterministic", TRACE}),
    Case(AlwaysExplores, GRID, {"check_greedy_act_is_deterministic", TRACE, "check_predict_agrees_with_act"}),
    Case(DrawsWhenGreedy, GRID, {TRACE}),
    Case(CountsWhatItSees, CART, {TRACE}),
    Case(PredictsWithoutState, GRID, {"check_predict_agrees_with_act"}),
    Case(ActsInTheWrongOrder, CART, {"check_act_batch_agrees_with_act"}),
    Case(TellsWeightsForProbabilities, GRID, {"check_probs_are_a_distribution"}),
    Case(TellsValuesTheWrongWayRound, CART, {"check_values_are_finite_numbers"}),
    Case(Forgets, GRID, {LEARNS}),
    Case(IgnoresRewards, GRID, {"check_learns_from_rewards"}),
    Case(LearnsTheWrongWay, GRID, {"check_learning_follows_rewards"}),
    Case(LearnsTheWrongWayAndSaysSo, GRID, {"check_learning_follows_rewards"}),
    Case(Diverges, GRID, {"check_learning_follows_rewards"}),
    Case(ReturnsNothing, GRID, {"check_metrics_are_finite_floats"}),
    Case(ReturnsAnArray, GRID, {"check_metrics_are_finite_floats", RESUME}),
    Case(DividesByZero, GRID, {"check_metrics_are_finite_floats"}),
    Case(BootstrapsFromTheEnd, GRID, {"check_terminated_transitions_do_not_bootstrap"}),
    Case(TakesTruncationForTermination, GRID, {"check_truncated_transitions_bootstrap"}),
    Case(SwapsTheEnds, GRID, set(ENDS)),
    Case(CarriesItsTraceOn, GRID, {"check_ended_episodes_are_over"}),
    Case(ScalesInPlace, CART, {"check_inputs_are_not_modified"}),
    Case(WritesToTransitions, CART, {"check_inputs_are_not_modified"}),
    Case(KeepsWhatItIsTold, CART, {"check_inputs_are_not_kept"}),
    Case(LearnsFromWhatIsNoTransition, CART, {"check_update_batch_learns_from_valid_transitions_alone"}),
    Case(HoldsAFunction, GRID, {"check_save_and_load_give_the_same_agent"}),
    Case(Grows, GRID, {"check_save_and_load_give_the_same_agent"}),
    Case(LeavesOutItsTrace, GRID, {GOING_ON, RESUME}),
    Case(HidesStateInItsModule, GRID, {GOING_ON, RESUME}),
    Case(BeginsAgainWithEachRun, GRID, {RESUME}),
    Case(LoadsAnything, GRID, {"check_foreign_checkpoints_are_refused"}),
    Case(StoresTruncationAsTermination, CART, {"check_truncated_transitions_bootstrap"}),
    Case(BeginsWithGlobalWeights, CART, {SAME, "check_global_generators_are_untouched"}),
    Case(LeavesOutItsTarget, CART, {GOING_ON, RESUME}),
    Case(HooksItsNetwork, CART, {"check_save_and_load_give_the_same_agent"}),
    Case(NeverTakesAStep, CART, {LEARNS}),
]
