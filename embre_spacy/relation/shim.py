"""How thinc drives the network: as any PyTorch module, but new layers learn faster than pretrained ones."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator

from thinc.api import Optimizer, PyTorchShim, torch2xp, xp2torch


class NetworkShim(PyTorchShim):
    """A shim whose new layers have a learning rate of their own.

    head_learn_rate (float): By what the learning rate of the optimizer is multiplied for all layers that do not come
        from the pretrained transformer.
    """

    head_learn_rate: float = 1.0

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights with the gradients that have been gathered, and clear these.

        optimizer (Optimizer): The optimizer.
        """
        # There is none with a network that is not built yet, or that gets its vectors from another layer.
        transformer = getattr(self._model, "transformer", None)
        pretrained = set() if transformer is None else {id(parameter) for parameter in transformer.parameters()}
        for name, parameter in self._model.named_parameters():
            if parameter.grad is None:
                continue
            weights, _ = optimizer(
                (self.id, name),
                torch2xp(parameter.data),
                torch2xp(parameter.grad),
                lr_scale=1.0 if id(parameter) in pretrained else self.head_learn_rate,
            )
            parameter.data = xp2torch(weights, requires_grad=True, device=parameter.device)
            parameter.grad = None

    @contextmanager
    def use_params(self, params: Dict[Any, Any]) -> Iterator[None]:
        """Work with other weights for a while: with the averages that the optimizer keeps.

        PyTorchShim looks for them under other keys than those that its own updates use, and so finds none.

        params (Dict[Any, Any]): The weights by shim and name, as the optimizer has them.
        """
        kept = {}
        for name, parameter in self._model.named_parameters():
            if (self.id, name) in params:
                kept[name] = parameter.data
                parameter.data = xp2torch(params[self.id, name], device=parameter.device)
        try:
            yield
        finally:
            for name, parameter in self._model.named_parameters():
                if name in kept:
                    parameter.data = kept[name]
