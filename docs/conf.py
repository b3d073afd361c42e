"""The docs site: `make docs`. Why it is built this way: docs/decisions/0021-docs-site.md."""

import logging
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
from sklearn.base import ClassifierMixin, RegressorMixin
from sphinx.application import Sphinx

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from bayesgmm._version import __version__  # noqa: E402
from docs.command_line import reference  # noqa: E402
from docs.gallery import write_gallery  # noqa: E402

for chatty in ("arviz", "pytensor"):  # they say at length how they were imported
    logging.getLogger(chatty).setLevel(logging.WARNING)

project = "bayesgmm"
author = "bayesgmm developers"
release = version = __version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx.ext.viewcode",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax itself, copied into the site: pages need no network
]
exclude_patterns = ["_build", "_templates", "**/.ipynb_checkpoints"]
templates_path = ["_templates"]
highlight_language = "none"  # blocks without a language are what code prints
default_role = "code"  # what docstrings write in single backticks

# ---- pages: Markdown that GitHub shows as well ----
myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
# Notebooks are executed, and compared with their .py, by `make notebooks`: here they are shown.
nb_execution_mode = "off"
nb_merge_streams = True

# ---- reference ----
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say types with shapes and units
autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    # not those of pandas' own DataFrame, some 200, which refer to pages of its own site
    # nor those of scikit-learn's, which do as well
    "inherited-members": ",".join(
        base.__name__ for base in (*pd.DataFrame.__mro__, ClassifierMixin, RegressorMixin)
    ),
    "exclude-members": ",".join(
        ["get_metadata_routing", *(f"set_{what}_request" for what in ("fit", "predict", "score"))]
    ),
}
numpydoc_show_class_members = False
add_module_names = False

# ---- looks ----
html_theme = "furo"
html_title = f"bayesgmm {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}


# ---- notebooks: they lie beside docs/, and Sphinx sees nothing outside it ----
def copy_notebooks(*_: object) -> None:
    """Copy the notebooks, with their times: pages are written anew where one has changed."""
    copies = HERE / "notebooks"
    shutil.rmtree(copies, ignore_errors=True)  # so that a notebook that went leaves no page
    copies.mkdir()
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy2(notebook, copies)


def copy_pages(*_: object) -> None:
    """Copy the pages that lie at the root of the repository."""
    copies = HERE / "copied"
    copies.mkdir(exist_ok=True)
    for page in ("CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy2(ROOT / page, copies / page.lower())


def write_command_line(*_: object) -> None:
    """Write the reference of the command line from its commands, if it has changed."""
    page, text = HERE / "reference" / "generated" / "command-line.md", reference()
    page.parent.mkdir(exist_ok=True)
    if not page.exists() or page.read_text() != text:
        page.write_text(text)


def draw_gallery(*_: object) -> None:
    """Draw the gallery, if plots have changed."""
    write_gallery(HERE / "reference" / "generated" / "gallery.md")


def links_of_the_site(source: str) -> str:
    """Return a page whose links, right on GitHub and in Jupyter, lead to the copies and back."""
    to_notebooks = re.sub(r"\]\(((?:\.\./)*)\.\./notebooks/", r"](\1notebooks/", source)
    return to_notebooks.replace("](../docs/", "](../")


def rewrite_links(app: Sphinx, page: str, source: list[str]) -> None:
    """Give the parser a page with the links of the site."""
    source[0] = links_of_the_site(source[0])


def setup(app: Sphinx) -> None:
    """Tell Sphinx of the functions."""
    app.connect("config-inited", copy_notebooks)
    app.connect("config-inited", copy_pages)
    app.connect("config-inited", write_command_line)
    app.connect("config-inited", draw_gallery)
    app.connect("source-read", rewrite_links)
