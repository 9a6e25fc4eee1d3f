from importlib import metadata

project = "django-bpo-chat"
author = "The django-bpo-chat authors"
project_copyright = author
release = version = metadata.version("django-bpo-chat")

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True

myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
