"""Files and folders, known by the digest of their content."""

from typing import Literal, TypeAlias

from runproj.model import Model

ArtifactKind: TypeAlias = Literal["file", "folder"]


class Artifact(Model):
    """A file or folder.

    ``path`` is relative to the project (posix). ``sha256`` is that of the file's bytes, or, for a
    folder, that of its manifest (see :class:`FolderManifest`). ``size`` is in bytes, for a folder
    the sum of its files.
    """

    path: str
    kind: ArtifactKind = "file"
    sha256: str
    size: int
    executable: bool = False


class FolderMember(Model):
    """One member of a folder: a file, a symbolic link (``target``) or an empty folder."""

    path: str
    kind: Literal["file", "link", "folder"] = "file"
    sha256: str | None = None
    size: int = 0
    executable: bool = False
    target: str | None = None


class FolderManifest(Model):
    """The content of a folder: its members sorted by path.

    It is kept as canonical JSON; the sha256 of that text is the folder's digest.
    """

    members: tuple[FolderMember, ...]
