"""What Weir's providers share: the request, names that are safe in paths and commands, state files, and errors as one line.

A provider reads one JSON object from standard input, {"version":1,"action":"prepare"|"release","vm":..,"uuid":..,"image":..},
and prints one: for prepare the members of weir-vm:vms/vm/boot. It fails with one line on standard error and exit code 1.
Both actions may be repeated: a second prepare answers the same, a second release finds nothing to do."""
import argparse, contextlib, fcntl, json, os, re, secrets, shutil, signal, subprocess, sys, time, zlib

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,22}[A-Za-z0-9])?")
UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|")
IMAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


class Refused(Exception):
    pass


def parser(doc):
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter,
                                epilog="The request is read from standard input; see weir-providers(7).")
    p.add_argument("--images", default="/var/lib/weir/images", metavar="DIR", help="where the images are (%(default)s)")
    p.add_argument("--state", default="/var/lib/weir/disks", metavar="DIR", help="where what is made is kept (%(default)s)")
    p.add_argument("--server", required=True, metavar="ADDRESS", help="address at which guests reach the server")
    return p


def request():
    text = sys.stdin.buffer.read(65537)
    try:
        r = json.loads(text) if len(text) <= 65536 else None
    except ValueError:
        r = None
    if not isinstance(r, dict) or r.get("version") != 1:
        raise Refused("the request is no JSON object of version 1")
    if r.get("action") not in ("prepare", "release"):
        raise Refused("action: expected prepare or release")
    for key, shape in ("vm", NAME), ("uuid", UUID), ("image", re.compile(r".*")):
        if not isinstance(r.get(key, ""), str) or not shape.fullmatch(r.get(key, "")):
            raise Refused("%s: %.60r cannot be one" % (key, r.get(key)))
    return r


def image_path(args, image):
    """The file or directory of that name below --images, also after links."""
    if not IMAGE.fullmatch(image) or len(image) > 128:
        raise Refused("image: %.60r: expected a name of letters, digits, _ . - and single slashes" % image)
    top = os.path.realpath(args.images)
    path = os.path.realpath(os.path.join(top, image))
    if not path.startswith(top + os.sep):
        raise Refused("image: %s: it is not in %s" % (image, top))
    if not os.path.exists(path):
        raise Refused("image: %s: there is none in %s" % (image, top))
    return path


def run(*command, **more):
    """A command without a shell. Returns what it printed."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **more)
    except OSError as e:
        raise Refused("%s: %s" % (command[0], e.strerror))
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["exit code %d" % done.returncode]
        raise Refused("%s: %s" % (os.path.basename(command[0]), lines[-1]))
    return done.stdout


@contextlib.contextmanager
def locked(args):
    """Several providers run at once; what they share is changed by one."""
    with open(os.path.join(args.state, ".lock"), "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def path_of(args, vm, suffix):
    return os.path.join(args.state, vm + suffix)


def state_read(args, vm):
    try:
        with open(path_of(args, vm, ".json")) as f:
            return json.load(f)
    except FileNotFoundError:
        return None
    except ValueError:
        raise Refused("%s: it is damaged; remove it, and what else there is of %s" % (path_of(args, vm, ".json"), vm))


def states(args):
    return {n[:-5]: state_read(args, n[:-5]) for n in sorted(os.listdir(args.state)) if n.endswith(".json") and NAME.fullmatch(n[:-5])}


def state_write(args, vm, state):
    new = path_of(args, vm, ".json.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        json.dump(state, f)
        f.flush()
        os.fsync(f.fileno())
    os.rename(new, path_of(args, vm, ".json"))


def state_check(state, vm, image):
    if state is not None and state["image"] != image:
        raise Refused("image: %s: %s was made from %s, which has to be released first" % (image, vm, state["image"]))


def remove(path):
    """A file or a directory, which may be missing."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def copy(source, to):
    """All of it or nothing; shares its blocks with the source where the file system can."""
    remove(to + ".new")
    try:
        run("cp", "-a", "--reflink=auto", "--sparse=always", "--", source, to + ".new")
        os.rename(to + ".new", to)
    finally:
        remove(to + ".new")


def free_number(taken, first, last, what):
    for n in range(first, last + 1):
        if n not in taken:
            return n
    raise Refused("%s: %d..%d are taken" % (what, first, last))


def plain(vm):
    """A VM's name in small letters, digits, - and . only, as iSCSI names are; still unlike any other VM's."""
    name = re.sub(r"[^a-z0-9.-]", "-", vm.lower())
    return name if name == vm else "%s-%08x" % (name, zlib.crc32(vm.encode()))


# A server of one VM outlives the switch, whose service would take all its processes with it: so it is a unit of its own where
# there is systemd, and a daemon elsewhere.

def systemd():
    return os.path.isdir("/run/systemd/system")


def service_start(unit, foreground, daemon):
    run("systemd-run", "--quiet", "--collect", "--unit", unit, *foreground) if systemd() else run(*daemon, start_new_session=True)


def service_runs(unit, pidfile):
    if systemd():
        return subprocess.run(["systemctl", "is-active", "--quiet", unit]).returncode == 0
    return service_pid(pidfile) is not None


def service_pid(pidfile):
    """Its pid, if that is still it: its arguments name the pidfile."""
    try:
        with open(pidfile) as f:
            pid = int(f.read())
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return pid if os.fsencode(pidfile) in f.read().split(b"\0") else None
    except (OSError, ValueError):
        return None


def service_stop(unit, pidfile):
    if systemd():
        subprocess.run(["systemctl", "stop", "--quiet", unit], stderr=subprocess.DEVNULL)
        return
    for signum in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(40):
            pid = service_pid(pidfile)
            if pid is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)
            time.sleep(0.05)
    remove(pidfile)


def main(args, prepare, release):
    os.umask(0o077)
    # Told to end: what is half made is taken back.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(Refused("it was told to end")))
    try:
        r = request()
        os.makedirs(args.state, exist_ok=True)
        answer = prepare(args, r["vm"], r.get("image", "")) if r["action"] == "prepare" else release(args, r["vm"])
    except (Refused, OSError) as e:
        print(e, file=sys.stderr)
        sys.exit(1)
    print(json.dumps(answer or {}))
