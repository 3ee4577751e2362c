"""The documentation as a site (`make docs`): which files are its pages, and the pages that are made from the code."""
