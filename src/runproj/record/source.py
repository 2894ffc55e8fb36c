"""The exact code of a run."""

from runproj.model import Model


class SourceSnapshot(Model):
    """The code as a git tree, and where it came from.

    ``tree`` is the id (40 hex digits) of the tree whose content is the code; ``project_path`` is
    where the project folder stands in it ("" when it is the tree itself). ``commit``, ``branch``
    and ``remote`` are the user's own, None outside of a repository; ``dirty`` tells whether the
    tree has changes that the commit has not. ``warnings`` are sentences for the user.
    """

    tree: str
    project_path: str = ""
    commit: str | None = None
    branch: str | None = None
    remote: str | None = None
    dirty: bool | None = None
    warnings: tuple[str, ...] = ()
