"""The workspace as a folder on disk: reading it, watching it, making a new one."""

from tailorbird.adapters.files.folder import FolderProblem, read_folder
from tailorbird.adapters.files.keys import Keys, ensure_keys, read_keys
from tailorbird.adapters.files.scaffold import create_workspace
from tailorbird.adapters.files.watch import watch_folder

__all__ = [
    "FolderProblem",
    "Keys",
    "create_workspace",
    "ensure_keys",
    "read_folder",
    "read_keys",
    "watch_folder",
]
