"""Coverage-guided fuzzing of the readers of annotation formats.

    python tests/fuzz/fuzz_readers.py labelme --seconds 60

Files are read as an import does, strokes are drawn where the picture is small, and only the errors
for the user may come out. Anything else stops the run; its input is saved below ``runs/fuzz``, and
belongs into ``tests/fuzz/seeds/<format>`` once it is mended: every test run reads those.

Needs the extra ``fuzz``. Half of the mutations change bytes, half a value of the JSON or XML.
"""

import argparse
import json
import random
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import atheris
import numpy as np
from PIL import Image

with atheris.instrument_imports(include=["scribbleseg.annotation"]):
    from scribbleseg.annotation.formats import Options, load_format
    from scribbleseg.annotation.raster import rasterise
from scribbleseg.errors import ConfigError, DataError

SEEDS = Path(__file__).parent / "seeds"

ODD = ["", None, True, -1, 1.5, 1e300, 2**40, 10**400, "x", "\ud800", "../a", [], [[]], {}, [0, 1]]
LARGEST_DRAWN = 512
NEEDS_PICTURE = frozenset({"points", "qupath"})


class Target:
    """Reads a file of a format; called with its bytes."""

    def __init__(self, name: str, suffix: str, folder: Path) -> None:
        with atheris.instrument_imports(include=["scribbleseg.annotation"]):
            self.format = load_format(name)  # imports its module
        self.path = folder / f"a{suffix}"
        if name in NEEDS_PICTURE:
            Image.fromarray(np.zeros((6, 8), np.uint8)).save(folder / "a.png")
        self.known = {path.name for path in folder.iterdir()} | {self.path.name}

    def __call__(self, data: bytes) -> None:
        self.path.write_bytes(data)
        with suppress(DataError, ConfigError):
            found = self.format.find(self.path.parent, Options())
            options = Options(found.classes)
            for entry in found.entries:
                for drawing in self.format.read(entry, options):
                    if max(drawing.size) <= LARGEST_DRAWN:
                        rasterise(drawing, found.classes.index, self.format.raster)
        if {path.name for path in self.path.parent.iterdir()} != self.known:
            raise AssertionError("reading has written a file")


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """Another input, from one that was interesting."""
    chance = random.Random(seed)
    if chance.random() < 0.5:
        return atheris.Mutate(data, max_size)
    try:
        if data.lstrip().startswith(b"<"):
            return with_odd_xml(data, chance)[:max_size]
        return with_odd_json(data, chance)[:max_size]
    except (ValueError, LookupError, ElementTree.ParseError, RecursionError):
        return atheris.Mutate(data, max_size)


def with_odd_json(data: bytes, chance: random.Random) -> bytes:
    """One value replaced, removed, or put where another one was."""
    content = json.loads(data)
    nodes = inner_nodes(content)
    for _ in range(chance.randint(1, 3)):
        node = chance.choice(nodes)
        if not node:
            continue
        key = chance.choice(list(node)) if isinstance(node, dict) else chance.randrange(len(node))
        action = chance.random()
        if action < 0.5:
            node[key] = chance.choice([*ODD, chance.randint(-9, 99), chance.random() * 9])
        elif action < 0.7:
            del node[key]
        else:
            node[key] = json.loads(json.dumps(chance.choice(nodes)))
    return json.dumps(content).encode()


def inner_nodes(content: Any) -> list[Any]:
    """All lists and objects within a value."""
    nodes = [content] if isinstance(content, dict | list) else []
    for node in nodes:
        values = node.values() if isinstance(node, dict) else node
        nodes += [value for value in values if isinstance(value, dict | list)]
    return nodes or [[content]]


def with_odd_xml(data: bytes, chance: random.Random) -> bytes:
    """One text, attribute or element replaced, removed or doubled."""
    root = ElementTree.fromstring(data)
    elements = list(root.iter())
    texts = ["", "-1", "1e300", "nan", "9" * 30, "x", "1,2;3", str(chance.randint(0, 99)), "\u0661"]
    for _ in range(chance.randint(1, 3)):
        element = chance.choice(elements)
        action = chance.random()
        if action < 0.4 and element.attrib:
            element.set(chance.choice(list(element.attrib)), chance.choice(texts))
        elif action < 0.7:
            element.text = chance.choice(texts)
        elif action < 0.85 and len(element):
            element.remove(element[chance.randrange(len(element))])
        elif element is not root:
            root.append(element)
    return ElementTree.tostring(root)


def main() -> None:
    """Fuzz one format for a while."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("format", choices=sorted(path.name for path in SEEDS.iterdir()))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--target", type=Path, default=Path("runs/fuzz"))
    arguments = parser.parse_args()
    seeds = SEEDS / arguments.format
    place = arguments.target / arguments.format
    for name in ("findings", "corpus", "work"):
        (place / name).mkdir(parents=True, exist_ok=True)
    suffix = min(path.suffix for path in seeds.iterdir())
    target = Target(arguments.format, suffix, place / "work")
    options = [
        f"-max_total_time={arguments.seconds}",
        "-max_len=16384",
        "-timeout=20",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        f"-artifact_prefix={place}/findings/",
    ]
    folders = [str(place / "corpus"), str(seeds)]
    atheris.Setup([sys.argv[0], *options, *folders], target, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
