"""A stand-in for a cloud machine: a real systemd with a real Docker engine in separate namespaces, with a loop
device as its disk. `Kind` holds the differences between clouds.

Replaced by stand-ins: the distribution's packages, the metadata service, the cloud's services (on AWS the real `aws`
command talks to them), and the attachment of a disk.

Invariant: at the end no process, network, mount or loop device of the machine is left.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conftest import CACHE, HERE, eventually, missing

SOCKET = "/run/chroma-otel-docker.sock"
NETWORK = "chroma-otel-vm"
HOST, ADDRESS = "198.51.100.1", "198.51.100.2"
METADATA = "169.254.169.254"
# Addresses of the cloud's services, which have their real names, and of its metadata service.
SERVICES, SERVICES_NETWORK = "203.0.113.2", "chroma-otel-cloud"
# Azure's WireServer, which the agent of the machine uses.
WIRE_SERVER = "168.63.129.16"
PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CFN_SIGNAL = "/opt/aws/bin/cfn-signal"


@dataclass(frozen=True)
class Kind:
    """A cloud's machine: its package manager, the commands that tests can make fail, those with an absolute path,
    and its additional programs."""

    packages: str
    in_front: tuple
    whole_paths: tuple = ()
    programs: tuple = ()


# The package manager installs Docker if it was removed, and records the packages that it should install.
INSTALL = """#!/bin/sh -e
case "$*" in *install*docker*)
    mv /test/packed/bin/docker /usr/bin
    mv /test/packed/sbin/docker /usr/local/sbin ;;
esac
case "$*" in *install*) printf '%s\\n' "$@" >>/test/packages ;; esac
"""
# Of these packages, dpkg knows only those that the package manager has installed.
DPKG_QUERY = """#!/bin/sh
for package; do :; done
! grep --quiet --fixed-strings --line-regexp -- "$package" /test/packages 2>/dev/null || printf installed
"""
EVERYWHERE = (
    "blkid",
    "chown",
    "curl",
    "df",
    "docker",
    "findmnt",
    "head",
    "journalctl",
    "mkfs.ext4",
    "mount",
    "resize2fs",
    "sha256sum",
    "systemctl",
)
NOTHING, FAILURE = "#!/bin/sh\n", "#!/bin/sh\nexit 1\n"
AMAZON = Kind(
    "dnf",
    ("aws", "dnf", *EVERYWHERE),
    (CFN_SIGNAL,),
    (("aws", (HERE / "machine/aws").read_text()), ("cfn-signal", NOTHING), ("docker-credential-ecr-login", FAILURE)),
)
DEBIAN = Kind(
    "apt-get",
    ("apt-get", "dpkg", "dpkg-query", "iptables", "python3", *EVERYWHERE),
    programs=(("dpkg-query", DPKG_QUERY),),
)


def host(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


class Disk:
    """A file as a disk: a real block device with a real size."""

    def __init__(self, file, megabytes=256):
        self.file = file
        self.grow(megabytes)
        self.device = host("losetup", "--find", "--show", file)

    def grow(self, megabytes):
        host("truncate", f"--size={megabytes}M", self.file)
        if hasattr(self, "device"):
            host("losetup", "--set-capacity", self.device)

    def remove(self):
        host("losetup", "--detach", self.device)


class Machine:
    def __init__(self, tools, folder, kind):
        if os.geteuid() != 0:
            missing("root, to make a machine")
        self.kind = kind
        self.root = tools.part("machine/root")
        self.packages = tools.part("aws/lib/python3.11/site-packages") if kind is AMAZON else None
        self.state = folder / "machine"
        self.log = folder / "machine.log"
        self.process = None

    def connect(self):
        """Connects the machine's network to the host and to the metadata service. On AWS the machine itself serves
        metadata, because AWS answers within one hop only; elsewhere it is one hop away."""
        self.disconnect()
        inside = ("ip", "-n", NETWORK)
        host("ip", "netns", "add", NETWORK)
        host("ip", "link", "add", NETWORK, "type", "veth", "peer", "name", "eth0", "netns", NETWORK)
        host("ip", "address", "add", f"{HOST}/30", "dev", NETWORK)
        host("ip", "link", "set", NETWORK, "up")
        host(*inside, "address", "add", f"{ADDRESS}/30", "dev", "eth0")
        host(*inside, "link", "set", "eth0", "up")
        host(*inside, "link", "set", "lo", "up")
        if self.kind is AMAZON:
            host(*inside, "address", "add", f"{METADATA}/32", "dev", "lo")
        else:
            self.connect_services()

    @staticmethod
    def connect_services():
        """Connects the network of the cloud's services to the machine's."""
        inside, there = ("ip", "-n", NETWORK), ("ip", "-n", SERVICES_NETWORK)
        host("ip", "netns", "add", SERVICES_NETWORK)
        host(*inside, "link", "add", "eth1", "type", "veth", "peer", "name", "eth0", "netns", SERVICES_NETWORK)
        host(*inside, "address", "add", f"{SERVICES.rpartition('.')[0]}.1/24", "dev", "eth1")
        host(*there, "address", "add", f"{SERVICES}/24", "dev", "eth0")
        for link in ((*there, "link", "set", "lo"), (*there, "link", "set", "eth0"), (*inside, "link", "set", "eth1")):
            host(*link, "up")
        for address in (METADATA, WIRE_SERVER):
            host(*there, "address", "add", f"{address}/32", "dev", "eth0")
            host(*inside, "route", "add", f"{address}/32", "via", SERVICES)

    def disconnect(self):
        for network in (NETWORK, SERVICES_NETWORK):
            if network in host("ip", "netns", "list").split():
                host("ip", "netns", "delete", network)
        subprocess.run(["ip", "link", "delete", NETWORK], capture_output=True, check=False)

    @staticmethod
    def near(*words, network=NETWORK):
        """A command line that runs a program in the network of the machine (or of its cloud), but not in the
        machine."""
        return ["nsenter", f"--net=/run/netns/{network}", *words]

    def on(self):
        namespaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child"]
        command = [
            HERE / "machine/power-on",
            self.state,
            self.root,
            CACHE / "machine-docker",
            *([self.packages] if self.packages else []),
        ]
        self.process = subprocess.Popen(
            [str(word) for word in self.near(HERE / "machine/own-cgroup", *namespaces, *command)],
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("a"),
            stderr=subprocess.STDOUT,
        )

        def ready():
            assert self.process.poll() is None, self.log.read_text()
            states = ("running", "degraded", "starting")
            return self.init and self.run("systemctl", "is-system-running", check=False).stdout.strip() in states

        eventually(ready, lambda: self.log.read_text(), 60)

    @property
    def init(self):
        """The process id of the machine's systemd, once it runs."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        with contextlib.suppress(OSError):
            if children and Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n":
                return children[0]
        return None

    def run(self, *words, check=True, seconds=120, **options):
        command = ["nsenter", f"--target={self.init}", "--all", "env", "-i", f"PATH={PATH}", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, **options)
        if check and done.returncode != 0:
            last = self.journal("--lines=30") if words[0] == "systemctl" else ""
            raise AssertionError(f"{words}: {done.returncode}: {done.stdout}{done.stderr}{last}")
        return done

    def off(self):
        """Presses the power button: systemd stops everything."""
        self.run("systemctl", "poweroff", "--no-block", check=False)
        self.process.wait(90)

    def remove(self):
        if self.process and self.process.poll() is None:
            os.kill(int(self.init or self.process.pid), signal.SIGKILL)
            self.process.wait(30)
        self.disconnect()
        eventually(self.remove_cgroups, "its cgroups are empty")

    @staticmethod
    def remove_cgroups():
        """Deletes the machine's cgroups; returns false while a process in one of them still exits."""
        try:
            for cgroup in sorted(Path("/sys/fs/cgroup").glob("**/chroma-otel-machine/**/"), reverse=True):
                cgroup.rmdir()
        except OSError:
            return False
        return True

    def path(self, name):
        """The path of a file of the running machine, seen from the host."""
        return Path(f"/proc/{self.init}/root{name}")

    def read(self, name):
        return self.path(name).read_text()

    def write(self, name, text, mode=0o644):
        file = self.path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def prepare(self, **environment):
        """Installs the stand-ins and the wrappers that record calls; sets the environment of all processes on the
        machine."""
        self.environment = environment
        self.write(f"/usr/local/bin/{self.kind.packages}", INSTALL, 0o755)
        for name, text in self.kind.programs:
            self.write(f"/usr/local/bin/{name}", text, 0o755)
        # Shortens the pauses between retries.
        self.write("/usr/local/sbin/sleep", "#!/bin/sh\nexec /usr/bin/sleep 0.2\n", 0o755)
        in_front = (HERE / "machine/in-front").read_text()
        for name in [f"/usr/local/sbin/{name}" for name in self.kind.in_front] + [*self.kind.whole_paths]:
            self.write(name, in_front, 0o755)
        settings = " ".join(f"{name}={value}" for name, value in environment.items())
        self.write("/etc/systemd/system.conf.d/test.conf", f"[Manager]\nDefaultEnvironment={settings}\n")
        self.path("/test/fail").mkdir(parents=True, exist_ok=True)
        self.run("systemctl", "daemon-reexec")

    def remove_containers(self):
        """Removes the containers of an earlier run."""
        self.run("sh", "-c", "docker ps --all --quiet | xargs --no-run-if-empty docker rm --force")

    def await_first_boot(self):
        """Leaves the machine as before its first boot, without Docker."""
        self.run("systemctl", "stop", "docker.service", "docker.socket", "containerd.service")
        self.pack_docker()
        self.forget_calls()

    def pack_docker(self):
        """Removes the `docker` command until packages are installed."""
        for folder in ("bin", "sbin"):
            self.path(f"/test/packed/{folder}").mkdir(parents=True, exist_ok=True)
        self.path("/usr/bin/docker").rename(self.path("/test/packed/bin/docker"))
        self.path("/usr/local/sbin/docker").rename(self.path("/test/packed/sbin/docker"))
        self.path("/test/packages").unlink(missing_ok=True)

    def let_fail(self, command, words="", times="always", says="out of luck"):
        """Makes calls of the command that contain these words fail, always or `once`."""
        self.write(f"/test/fail/{command}", f"{times} {words}\n{says}\n")

    def let_work(self):
        for file in self.path("/test/fail").iterdir():
            file.unlink()

    def offer(self, disk, link):
        """Selects the disk that the attachment of the volume makes appear; removes the previous one."""
        folder = self.path(link).parent
        if folder.exists():
            for old in folder.iterdir():
                old.unlink()
        script = [
            "#!/bin/sh -e",
            f"mkdir -p {os.path.dirname(link)}",
            "touch /test/attached",
            f"[ -b {disk.device} ] || mknod {disk.device} b 7 {disk.device.removeprefix('/dev/loop')}",
            f"ln -sf {disk.device} {link}",
        ]
        self.write("/test/attach", "\n".join(script) + "\n", 0o755)
        self.path("/test/attached").unlink(missing_ok=True)

    def attach(self):
        """Makes the selected disk appear."""
        self.run("/test/attach")

    @property
    def calls(self):
        return self.read("/test/calls").splitlines() if self.path("/test/calls").exists() else []

    def forget_calls(self):
        self.path("/test/calls").unlink(missing_ok=True)

    def boot(self, *words, script="/etc/chroma-otel/boot", limit=120, check=True):
        """Runs the boot script as its unit does and returns the result."""
        settings = [line for line in self.read("/etc/chroma-otel/machine.env").splitlines() if line]
        settings += [f"{name}={value}" for name, value in self.environment.items()]
        environment = ["env", *settings, "HOME=/root", f"PATH=/usr/local/sbin:{PATH}", f"BOOT_SECONDS={limit}"]
        return self.run(*environment, script, *words, check=check, seconds=limit + 120)

    def boot_step(self, step, limit=6):
        """Runs only this step, with its retries and its report: the others would take some of the time."""
        alone = re.sub(r"^steps=.*", f"steps=({step})", self.read("/etc/chroma-otel/boot"), flags=re.M)
        self.write("/test/boot", alone, 0o755)
        return self.boot(script="/test/boot", limit=limit, check=False)

    def journal(self, *words):
        return self.run("journalctl", "--no-pager", "--output=cat", *words).stdout

    def container(self, name):
        found = self.run("docker", "inspect", name, check=False)
        return json.loads(found.stdout)[0] if found.returncode == 0 else None

    def load(self, *images):
        """Copies images from the tests' engine to the machine's engine if they are missing there."""
        engine = ["docker", f"--host=unix://{SOCKET}"]
        here = host(*engine, "image", "inspect", "--format={{.Id}}", *images)
        there = self.run("docker", "image", "inspect", "--format={{.Id}}", *images, check=False)
        if there.stdout.strip() == here:
            return
        into = ["nsenter", f"--target={self.init}", "--all", "/usr/bin/docker", "load", "--quiet"]
        with subprocess.Popen([*engine, "save", *images], stdout=subprocess.PIPE) as saved:
            host(*into, stdin=saved.stdout, timeout=600)
        self.run("docker", "image", "prune", "--force")
