"""How Sphinx builds the documentation: `make docs`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from pipeline import quiet

quiet.load_tensorflow()

project = "keras-recurrent"
html_title = project
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docs.building.keyboard",
    "docs.building.mathml",
    "docs.building.signatures",
    "docs.building.tasks",
]
exclude_patterns = ["building"]

# Docstrings write code between single backticks, as Markdown does.
default_role = "literal"
highlight_language = "text"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
python_use_unqualified_type_names = True
napoleon_use_ivar = True
napoleon_custom_sections = [("Weights", "params_style")]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]

html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["style"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
