"""Nested JSON and YAML: objects with `children`, or maps of maps, as people write a tree by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.files import Lines, PathLike, read_text, suffix, write_text
from hgraph.graph.formats.builder import SEPARATOR, TaxonomyBuilder
from hgraph.graph.formats.guards import check_ids_fit, check_tree
from hgraph.graph.formats.yaml_tree import MAX_DEPTH, Pairs, line_of, parse_yaml, write_yaml
from hgraph.graph.label_graph import LabelGraph

EXAMPLE = """\
- name: Science
  children:
    - {id: p, name: Physics, description: Matter and energy, children: [Optics]}
    - Biology"""

YAML = (".yaml", ".yml")
KEYS = {"id": ("id",), "name": ("name", "label", "title"), "description": ("description", "definition")}
CHILDREN = ("children", "narrower", "subcategories")


def read(path: PathLike) -> LabelGraph:
    """Read a tree or forest: JSON, or YAML when the file is named `.yaml` or `.yml`.

    A label is a string (a leaf), an object with `name`, perhaps `id`, `description` and `children`, or a key of a map
    whose value holds its children: `{a: {b: {c: }}, d: [e, f]}`. Without an `id`, the id of a label is its path of
    names, joined by `" > "`. Other keys of an object are passed over.

    Raises:
        TaxonomyError: malformed JSON or YAML, an alias, more than `MAX_DEPTH` levels, a repeated key or id, a label
            that is no string, a name with `" > "` and no id; each with its line (YAML) or place in the tree (JSON).
    """
    is_yaml = suffix(path) in YAML
    content = parse_yaml(Lines(path).text(), path) if is_yaml else _parse_json(read_text(path), path)
    if not isinstance(content, list | Pairs):
        raise TaxonomyError(f"{path}: expected a list, an object or a map of labels, found {str(content)[:40]!r}.")
    builder = TaxonomyBuilder(path)
    walk: list[tuple[Iterator[dict[str, Any]], str, tuple[str, ...]]] = [(_nodes(content, path, ()), "", ())]
    while walk:
        nodes, parent, names = walk[-1]
        node = next(nodes, None)
        if node is None:
            walk.pop()
            continue
        below = (*names, node["name"])
        if len(below) > MAX_DEPTH:
            raise TaxonomyError(f"{_where(path, node['source'], names)}: nested more than {MAX_DEPTH} levels deep.")
        label = _add(builder, node, parent, below)
        if node["children"] is not None:
            walk.append((_nodes(node["children"], path, below), label, below))
    return builder.build()


def _add(builder: TaxonomyBuilder, node: dict[str, Any], parent: str, names: tuple[str, ...]) -> str:
    where = _where(builder.path, node["source"], names)
    if not node["id"] and SEPARATOR in node["name"]:
        raise TaxonomyError(f"{where}: a name with {SEPARATOR!r} needs an 'id'. Add one.")
    label = node["id"] or SEPARATOR.join(names)
    if label in builder.ids:
        kind = "id" if node["id"] else "path"
        raise TaxonomyError(f"{where}: a second label with the {kind} {label!r}. Give each label its own 'id'.")
    index = builder.add(label)
    builder.texts["name"][index] = node["name"]
    builder.describe(index, description=node["description"])
    if parent:
        builder.add_edge(parent, label)
    return label


def _nodes(value: Any, path: PathLike, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The labels that a value lists: those of a list, the keys of a map, or an object itself."""
    for item in value if type(value) is list else [value]:
        if isinstance(item, str):
            yield _node(item, item, None, path, names)
        elif not isinstance(item, Pairs):
            found = "null" if item is None else "a list in a list" if isinstance(item, list) else repr(item)[:40]
            raise TaxonomyError(
                f"{_where(path, item, names)}: expected a label (a string, an object or a map), found {found}."
            )
        elif _is_object(item):
            yield _object(item, path, names)
        else:
            for key, children in item.items:
                if not (children is None or isinstance(children, list | Pairs)):
                    raise TaxonomyError(
                        f"{_where(path, key, (*names, key))}: expected children (a list or a map), found "
                        f"{str(children)[:40]!r}. Write [{str(children)[:40]}]."
                    )
                yield _node(key, key, children, path, names)


def _is_object(item: Pairs) -> bool:
    fields = dict(item.items)
    return any(isinstance(fields.get(key), str) for key in ("id", *KEYS["name"]))


def _object(item: Pairs, path: PathLike, names: tuple[str, ...]) -> dict[str, Any]:
    fields = dict(item.items)
    texts = {}
    for key, spellings in KEYS.items():
        texts[key] = next((fields[spelling] for spelling in spellings if fields.get(spelling) is not None), "")
        if not isinstance(texts[key], str):
            raise TaxonomyError(
                f"{_where(path, item, names)}: {key!r} must be a string, found {str(texts[key])[:40]!r}."
            )
    children = next((fields[key] for key in CHILDREN if fields.get(key) is not None), None)
    if isinstance(children, str) or not (children is None or isinstance(children, list | Pairs)):
        raise TaxonomyError(f"{_where(path, item, names)}: 'children' must be a list, found {str(children)[:40]!r}.")
    node = _node(item, texts["name"] or texts["id"], children, path, names)
    return {**node, "id": texts["id"].strip(), "description": str(texts["description"])}


def _node(source: Any, name: str, children: Any, path: PathLike, names: tuple[str, ...]) -> dict[str, Any]:
    if not name.strip():
        raise TaxonomyError(f"{_where(path, source, names)}: an empty name. Give every label a name.")
    return {"id": "", "name": name.strip(), "description": "", "children": children, "source": source}


def _where(path: PathLike, value: Any, names: tuple[str, ...]) -> str:
    """`file:line` in YAML; in JSON, which has no lines once it is parsed, the file and the path of names."""
    if line := line_of(value):
        return f"{path}:{line}"
    shown = names if len(names) < 8 else (*names[:3], "...", *names[-3:])
    return f"{path}: at {SEPARATOR.join(shown)!r}" if names else f"{path}: at the top"


def _parse_json(text: str, path: PathLike) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> Pairs:
        seen: set[str] = set()
        for key, _ in items:
            if key in seen:
                raise TaxonomyError(f"{path}: an object has the key {key[:60]!r} twice. Join them.")
            seen.add(key)
        return Pairs(items)

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise TaxonomyError(f"{path}:{error.lineno}: malformed JSON at column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise TaxonomyError(f"{path}: malformed JSON: nested too deeply.") from None
    except ValueError as error:  # a number of thousands of digits
        raise TaxonomyError(f"{path}: malformed JSON: {error}.") from None


def write(graph: LabelGraph, path: PathLike, *, overwrite: bool = False) -> None:
    """Write objects with `id`, `name`, `description` and `children`: JSON, or YAML when `path` is named so.

    Raises:
        ConfigError: a label with several parents, or more than `MAX_DEPTH` levels.
    """
    check_tree(graph, path, "nested")
    check_ids_fit(graph, path, "nested", "")
    if graph.num_levels > MAX_DEPTH:
        raise ConfigError(
            f"{path}: format 'nested' holds {MAX_DEPTH} levels, the hierarchy has {graph.num_levels}. Write it as json."
        )
    nodes: list[dict[str, Any]] = []
    for label, name, description in zip(graph.label_id, graph.name, graph.description, strict=True):
        node: dict[str, Any] = {"id": label, "name": name if name.strip() else label}
        nodes.append({**node, "description": description} if description else node)
    for parent, child in graph.edge_index.t().tolist():
        nodes[parent].setdefault("children", []).append(nodes[child])
    roots = [nodes[label] for label in graph.roots.tolist()]
    if suffix(path) in YAML:
        write_text(path, write_yaml(roots), overwrite=overwrite)
    else:
        write_text(path, json.dumps(roots, ensure_ascii=False, indent=1) + "\n", overwrite=overwrite)
