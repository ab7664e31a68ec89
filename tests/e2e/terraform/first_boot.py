"""Runs cloud-init's code on user data: first_boot.py USER_DATA FOLDER writes the files below FOLDER instead of
`/`, and prints the commands that it would run."""

import grp
import json
import os
import pwd
import sys
from pathlib import Path

from cloudinit import util
from cloudinit.config import cc_write_files

user_data, folder = sys.argv[1:]
text = util.decomp_gzip(Path(user_data).read_bytes())
text = text.decode() if isinstance(text, bytes) else text  # uncompressed user data is bytes
Path(folder, "cloud-config.yaml").write_text(text)
config = util.load_yaml(text)
files = [{**file, "path": folder + file["path"]} for file in config["write_files"]]
owner = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"
cc_write_files.write_files("write_files", files, owner)
print(json.dumps(config["runcmd"]))
