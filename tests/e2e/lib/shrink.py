# SPDX-License-Identifier: GPL-2.0-only
"""A case that shows a mismatch made small: what can be left out of it, is.

Delta debugging (Zeller and Hildebrandt, 2002: ddmin) of each list and mapping of a tree, from the top down (Misherghi and
Su, 2006), again and again until nothing more can go."""

import copy


def ddmin(items, holds):
    """A part of `items` for which holds(part) is true and of which no single item can go. holds(items) is true."""
    pieces = 2
    while len(items) >= 1:
        size = max(1, len(items) // pieces)
        starts = range(0, len(items), size)
        for start in starts:
            rest = items[:start] + items[start + size :]
            if holds(rest):
                items = rest
                pieces = max(2, pieces - 1)
                break
        else:
            if size == 1:
                break
            pieces = min(len(items), pieces * 2)
    return items


def _places(tree, path=()):
    """The paths of all lists and mappings of a tree, outer ones first."""
    level = [path]
    while level:
        yield from level
        level = [inner + (key,) for inner in level for key in _keys(_at(tree, inner)) if _keys(_at(tree, inner + (key,)))]


def _keys(node):
    if isinstance(node, dict):
        return list(node)
    return list(range(len(node))) if isinstance(node, list) else []


def _at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def _with_only(tree, path, keys):
    """A copy of the tree whose node at `path` has only these of its items."""
    result = copy.deepcopy(tree)
    node = _at(result, path)
    for key in reversed(_keys(node)):
        if key not in keys:
            del node[key]
    return result


def shrink(tree, differs):
    """The smallest tree that is found for which differs(tree) is true."""
    while True:
        before = copy.deepcopy(tree)
        for path in list(_places(tree)):
            try:
                keys = _keys(_at(tree, path))
            except (KeyError, IndexError):
                continue  # it went with what held it
            kept = ddmin(keys, lambda part, path=path: differs(_with_only(tree, path, part)))
            tree = _with_only(tree, path, kept)
        if tree == before:
            return tree
