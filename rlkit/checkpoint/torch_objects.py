"""Torch's objects, to nodes and back; imported only where torch is already.

Modules, optimisers and schedulers are restored in place, into those that `setup` made, so that whatever refers to a
parameter (an optimiser, a target network, a NumPy view) goes on doing so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rlkit.errors import CheckpointError

if TYPE_CHECKING:
    from rlkit.checkpoint.decode import Decoder
    from rlkit.checkpoint.encode import Encoder

BITS = {torch.bfloat16: torch.int16}  # dtypes that NumPy lacks, and what their bits are stored as
INTERNAL = frozenset(vars(torch.nn.Module()))


def encode(encoder: Encoder, value: Any, path: str) -> Any:
    """Return the node of a torch object, None for anything else.

    Raises:
        CheckpointError: the object has no saved form.
    """
    if isinstance(value, torch.Tensor):
        return _encode_tensor(encoder, value, path)
    if isinstance(value, torch.nn.Module):
        return _encode_module(encoder, value, path)
    if isinstance(value, torch.Generator):
        return {"torch_generator": encoder.store(value.get_state().numpy(), path)}
    if isinstance(value, torch.dtype | torch.device):
        return {"same": repr(value)}
    return None


def _encode_tensor(encoder: Encoder, tensor: torch.Tensor, path: str) -> Any:
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.layout != torch.strided:
        raise CheckpointError(f"{path}: a {type(tensor).__name__} of layout {tensor.layout} has no saved form")
    if not tensor.is_leaf:
        raise CheckpointError(f"{path}: a tensor inside an autograd graph has no saved form; detach it")
    if tensor.device.type == "cpu":
        memory = tensor.untyped_storage()
        encoder.claim(memory.data_ptr(), memory.data_ptr() + memory.nbytes(), path)
    node = _tensor_node(encoder, tensor, path)
    return {**node, "requires_grad": True} if tensor.requires_grad else node


def _tensor_node(encoder: Encoder, tensor: torch.Tensor, path: str) -> dict[str, Any]:
    return {"tensor": encoder.store(_to_numpy(tensor), path), "dtype": str(tensor.dtype).removeprefix("torch.")}


def _encode_module(encoder: Encoder, module: torch.nn.Module, path: str) -> Any:
    attributes: dict[str, Any] = {}
    for name, part in module.named_modules():
        where = f"{path}.{name}" if name else path
        encoder.alias(part, where)
        if any(getattr(part, hooks) for hooks in INTERNAL if hooks.endswith("_hooks")):
            raise CheckpointError(f"{where}: a module with hooks has no saved form")
        if not type(part).__module__.startswith("torch."):
            own = {key: value for key, value in vars(part).items() if key not in INTERNAL}
            attributes[name] = {key: encoder.encode(value, f"{where}.{key}") for key, value in own.items()}
    for name, parameter in module.named_parameters():
        encoder.alias(parameter, f"{path}.{name}")
    state = {
        name: _tensor_node(encoder, value, f"{path}.{name}")
        if isinstance(value, torch.Tensor)
        else encoder.encode(value, f"{path}.state[{name!r}]")
        for name, value in module.state_dict().items()
    }
    training = [name for name, part in module.named_modules() if part.training]
    return {"module": type(module).__name__, "state": state, "training": training, "attributes": attributes}


def decode_tensor(decoder: Decoder, node: dict[str, Any], template: Any, path: str) -> torch.Tensor:
    """Rebuild a tensor; a parameter is restored in place.

    Raises:
        CheckpointError: its dtype or shape is not the template's.
    """
    dtype = vars(torch).get(node["dtype"])  # to ask for an attribute may have torch import a module of its own
    if not isinstance(dtype, torch.dtype):
        raise CheckpointError(f"{node['dtype']!r} is not a dtype")
    value = torch.from_numpy(decoder.arrays[node["tensor"]])
    value = value.view(dtype) if dtype in BITS else value
    if value.dtype != dtype:
        raise CheckpointError(f"a tensor of {dtype} is stored as {value.dtype}")
    if isinstance(template, torch.nn.Parameter):
        if template.shape != value.shape or template.dtype != dtype:
            raise CheckpointError(f"a parameter is {dtype} {tuple(value.shape)}, expected {tuple(template.shape)}")
        with torch.no_grad():
            template.copy_(value)
        return template
    if isinstance(template, torch.Tensor):
        if template.shape != value.shape or template.dtype != dtype:
            raise CheckpointError(
                f"{path}: is {dtype} {tuple(value.shape)}, where setup() makes {template.dtype} {tuple(template.shape)}"
            )
        value = value.to(template.device)
    return value.requires_grad_() if node.get("requires_grad") else value


def decode_module(decoder: Decoder, node: dict[str, Any], template: Any, path: str) -> torch.nn.Module:
    """Restore a module in place."""
    module: torch.nn.Module = decoder.expect(template, node["module"], path)
    parts = dict(module.named_modules())
    for name, part in parts.items():
        decoder.built[f"{path}.{name}" if name else path] = part
        part.training = name in node["training"]
    for name, parameter in module.named_parameters():
        decoder.built[f"{path}.{name}"] = parameter
    for name, attributes in node["attributes"].items():
        where = f"{path}.{name}" if name else path
        for key, value in attributes.items():
            parts[name].__dict__[key] = decoder.decode(value, vars(parts[name]).get(key), f"{where}.{key}")
    state = {name: decoder.decode(value, None, f"{path}.state[{name!r}]") for name, value in node["state"].items()}
    for name, old in module.state_dict().items():
        new = state.get(name)
        if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor) and new.dtype != old.dtype:
            raise CheckpointError(f"{path}.{name} is {new.dtype}, expected {old.dtype}")
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: does not fit the module that setup() makes: {error}") from None
    return module


def decode_generator(decoder: Decoder, node: dict[str, Any]) -> torch.Generator:
    """Rebuild a generator on the CPU."""
    generator = torch.Generator()
    generator.set_state(torch.from_numpy(decoder.arrays[node["torch_generator"]]))
    return generator


def _to_numpy(tensor: torch.Tensor) -> NDArray[np.generic]:
    values = tensor.detach().cpu()
    if values.dtype in BITS:
        values = values.view(BITS[values.dtype])
    array: NDArray[np.generic] = values.numpy()
    return array
