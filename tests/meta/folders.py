"""A folder of manifests for tests, and the texts to put in it."""

from __future__ import annotations

import os
from pathlib import Path


def manifest(name: str = "web", port: int = 80) -> str:
    """A Service with one endpoint on loopback."""
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n"
        f"spec: {{ports: [{{port: {port}}}]}}\n---\n"
        f"apiVersion: v1\nkind: Endpoints\nmetadata: {{name: {name}}}\n"
        "subsets: [{addresses: [{ip: 127.0.0.1}], ports: [{port: 8080}]}]\n"
    )


BROKEN = "kind: {"


class Folder:
    """
    A folder on the disk.

    :ivar path: where it is.
    """

    def __init__(self, path: str, made: bool = True) -> None:
        self.path = path
        self._turn = 0
        if made:
            os.makedirs(path)

    def write(self, name: str, text: str) -> None:
        """Write a file in place, as a careless program does."""
        Path(self.path, name).write_text(text, "utf-8")
        # Two writes may come within one tick of the file system's clock.
        self._turn += 1
        os.utime(os.path.join(self.path, name), ns=(0, self._turn))

    def replace(self, name: str, text: str) -> None:
        """Write beside it and rename, as an editor does."""
        self.write(f".{name}.new", text)
        os.replace(os.path.join(self.path, f".{name}.new"), os.path.join(self.path, name))

    def remove(self, name: str) -> None:
        """Delete a file."""
        os.remove(os.path.join(self.path, name))

    def swap(self, name: str, text: str) -> None:
        """Change a file as a mounted ConfigMap does: by one symbolic link for all."""
        self._turn += 1
        version = os.path.join(self.path, f"..{self._turn}")
        os.mkdir(version)
        Path(version, name).write_text(text, "utf-8")
        os.symlink(f"..{self._turn}", os.path.join(self.path, "..data_new"))
        os.replace(os.path.join(self.path, "..data_new"), os.path.join(self.path, "..data"))
        if not os.path.lexists(os.path.join(self.path, name)):
            os.symlink(f"..data/{name}", os.path.join(self.path, name))
