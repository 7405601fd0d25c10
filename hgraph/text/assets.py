"""An encoder's options on disk, and the way back from a folder to the encoder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.text.states import TextEncoder

OPTIONS_FILE = "encoder.json"


def write_options(folder: Path, encoder: TextEncoder, **options: Any) -> None:
    """Write the class of `encoder` and the options to build it with."""
    content = {"kind": type(encoder).__name__, "options": options}
    (folder / OPTIONS_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_options(folder: Path) -> dict[str, Any]:
    """The options that :func:`write_options` wrote; none where `folder` has no such file.

    Raises:
        ConfigError: The file is malformed.
    """
    return _read(folder)[1] if (folder / OPTIONS_FILE).exists() else {}


def restore_text_encoder(folder: Path, state: Mapping[str, Tensor], **options: Any) -> TextEncoder:
    """The encoder that `save_assets` wrote into `folder`, without a network.

    Args:
        folder: What `save_assets` wrote.
        state: The encoder's `state_dict`; it decides sizes, and the caller loads it.
        **options: Arguments of the class that replace the saved ones.

    Raises:
        ConfigError: The folder is none, or its encoder is of an unknown class.
    """
    from hgraph import text

    kind, _ = _read(folder)
    encoder = getattr(text, kind, None)
    if not (isinstance(encoder, type) and issubclass(encoder, TextEncoder)) or encoder is TextEncoder:
        raise ConfigError(
            f"{folder / OPTIONS_FILE}: 'kind' must be a text encoder of hgraph, but got '{kind}'. Call the method "
            "'from_assets' of its class."
        )
    return encoder.from_assets(folder, state, **options)


def substate(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights of one part: those whose name begins with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def subfolder(folder: Path, name: str) -> Path:
    """`folder / name`, made where it is missing."""
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def _read(folder: Path) -> tuple[str, dict[str, Any]]:
    path = folder / OPTIONS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return str(content["kind"]), dict(content["options"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: expected the options of a text encoder that hgraph saved: {error}.") from None
