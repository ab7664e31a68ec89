"""The installation of packages on a machine in Google Cloud and Azure after it was cut off, with the real dpkg and apt
of a Debian and packages from a local repository."""

import hashlib
import subprocess

import pytest
from stand_in_machine import host
from terraform.clouds import CLOUDS, delivered

every_cloud = pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS.keys())
# The missing packages. The maintainer scripts of the second one take a minute while the file /slow exists.
PACKAGES = {"docker.io": "containerd", "containerd": "", "apparmor": "", "rsyslog": ""}
SLOW = "#!/bin/sh\n[ ! -e /slow ] || { touch /reached && sleep 60; }\n"


class Debian:
    """A Debian whose changes are in a folder. Each run has its own processes, which all end with it, as in a power
    failure."""

    def __init__(self, tools, folder):
        self.base = tools.part("machine/root")
        self.changed, self.work, self.root = (folder / name for name in ("changed", "work", "root"))
        for each in (self.changed, self.work, self.root):
            each.mkdir()

    def run(self, command):
        layers = f"lowerdir={self.base},upperdir={self.changed},workdir={self.work}"
        steps = [
            f"mount -t overlay root -o '{layers}' '{self.root}'",
            f"mount --rbind /dev '{self.root}/dev'",
            f"mount -t proc proc '{self.root}/proc'",
            f"chroot '{self.root}' /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -ec '{command}'",
        ]
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return subprocess.run([*namespaces, "sh", "-ec", "\n".join(steps)], capture_output=True, text=True)

    def write(self, path, text, mode=0o644):
        file = self.changed / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def offer(self, name, needs, scripts):
        """Adds a package to the repository and returns its entry in the index."""
        control = {
            "Package": name,
            "Version": "999",
            "Architecture": "all",
            "Maintainer": "nobody <nobody@example.com>",
            "Description": name,
            **({"Depends": needs} if needs else {}),
        }
        text = "".join(f"{key}: {value}\n" for key, value in control.items())
        source, archive = self.changed / f"source/{name}", self.changed / f"repository/{name}.deb"
        self.write(f"source/{name}/DEBIAN/control", text)
        for script, content in scripts.items():
            self.write(f"source/{name}/DEBIAN/{script}", content, 0o755)
        archive.parent.mkdir(exist_ok=True)
        host("dpkg-deb", "--build", source, archive)
        content = archive.read_bytes()
        return (
            f"{text}Filename: ./{archive.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
        )


@pytest.fixture
def debian(tools, tmp_path):
    return Debian(tools, tmp_path)


@every_cloud
@pytest.mark.parametrize("script", ["preinst", "postinst"])
def test_installation_that_was_cut_off_is_completed(cloud, script, debian, render):
    scripts = delivered(cloud, render(target=cloud.name))
    for name in ("boot", "cloud"):
        mode, text = scripts[f"/etc/chroma-otel/{name}"]
        debian.write(f"etc/chroma-otel/{name}", text, mode)
    index = [
        debian.offer(name, needs, {script: SLOW} if name == "containerd" else {}) for name, needs in PACKAGES.items()
    ]
    debian.write("repository/Packages", "\n".join(index))
    debian.write("etc/apt/sources.list", "deb [trusted=yes] file:/repository ./\n")
    debian.write("slow", "")
    removed = debian.run("dpkg --purge --force-all docker.io containerd")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    install = "/etc/chroma-otel/boot install_packages"
    cut = debian.run(f"{install} & until [ -e /reached ]; do kill -0 $!; sleep 0.1; done")
    assert cut.returncode == 0, cut.stdout + cut.stderr
    (debian.changed / "slow").unlink()
    done = debian.run(install)
    assert done.returncode == 0, done.stdout + done.stderr
    states = debian.run(r"dpkg-query --show --showformat \${db:Status-Status}/ docker.io containerd apparmor")
    assert states.stdout == "installed/" * 3, states.stdout + states.stderr
    # Nothing is missing any more: apt is not asked.
    debian.write("usr/bin/apt-get", "#!/bin/sh\nexit 1\n", 0o755)
    again = debian.run(install)
    assert again.returncode == 0, again.stdout + again.stderr
