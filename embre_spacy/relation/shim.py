"""How thinc drives the network: as any PyTorch module, but new layers learn faster than pretrained ones, and the
weights can be in a file of their own."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import srsly
from thinc.api import Optimizer, PyTorchShim, get_torch_default_device, torch2xp, xp2torch

from ..errors import EmbreError
from ..files import open_output
from .encoders import EncoderSettings
from .serialize import load_network, serialize


class NetworkShim(PyTorchShim):
    """A shim whose new layers have a learning rate of their own.

    head_learn_rate (float): By what the learning rate of the optimizer is multiplied for all layers that do not come
        from the pretrained transformer.
    encoder (EncoderSettings): The settings of the encoder in the config.
    """

    head_learn_rate: float = 1.0
    encoder: EncoderSettings
    _file: Optional[Path] = None

    @contextmanager
    def weights_in(self, file: Path) -> Iterator[None]:
        """Write and read the weights in a file for a while, and not among the bytes of the model: these are copied four
        times on their way from the disk, which takes longer than all else in loading a pipeline.

        file (Path): The file.
        """
        self._file = file
        try:
            yield
        finally:
            self._file = None

    def to_bytes(self) -> bytes:
        """All that is saved, without the weights if they have a file.

        RETURNS (bytes): The bytes.
        """
        weights = b"" if self._file is None else serialize(self._model)
        if not weights:
            return super().to_bytes()
        # Beside it at first: another process may be reading it. (`safetensors.torch.save_file` makes files that
        # nobody but their owner can read.)
        with open_output(self._file) as file:
            file.write(weights)
        return srsly.msgpack_dumps({"config": self.cfg, "weights": self._file.name})

    def from_bytes(self, bytes_data: bytes) -> "NetworkShim":
        """Load what was saved.

        bytes_data (bytes): The bytes.
        RETURNS (NetworkShim): The shim.
        RAISES (EmbreError): If the weights are in a file that is not there.
        """
        saved = srsly.msgpack_loads(bytes_data)
        # Pipelines of earlier versions have the weights among the bytes.
        if "weights" not in saved:
            return super().from_bytes(bytes_data)
        if self._file is None or not self._file.is_file():
            raise EmbreError(f"{self._file or saved['weights']}: the file with the weights of the model is missing")
        device = get_torch_default_device()
        self.cfg = saved["config"]
        self._model = load_network(self._file, device, wanted=self.encoder)
        self._grad_scaler.to_(device)
        return self

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
