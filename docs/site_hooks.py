"""What the site makes of the pages beside building them: titles of files, links that leave ``docs/``."""

import posixpath
import re
from typing import Any

_FILE_BLOCK = re.compile(r"^(```\w+) file=(\S+)$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]\n]+)\]\((\.\./[^)#\s]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page as the site renders it.

    A block's ``file=name`` becomes its title. A link to a file of the repository outside of ``docs/`` becomes the path
    of that file, as the site doesn't hold it.

    Parameters
    ----------
    markdown : str
        The page's text.
    page : mkdocs.structure.pages.Page
        The page.
    """
    folder = posixpath.dirname(page.file.src_uri)

    def name_file(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, link[2]))
        return link[0] if path.startswith("docs/") else f"{link[1]} (`{path}`)"

    return _LINK.sub(name_file, _FILE_BLOCK.sub(r'\1 title="\2"', markdown))
