#!/usr/bin/env python3
"""The files that deploy captiond agree with each other and with the binary: its routes, options and ports. Prints TAP,
as the other tests do. Needs python3-yaml."""
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request

try:
    import yaml
except ImportError:
    print("ok 1 - manifests # SKIP python3-yaml is not installed\n1..1")
    sys.exit(0)

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
CAPTIOND = os.path.abspath(os.path.join(os.environ.get("BUILD", "build"), "captiond"))


# ---- what there is ----------------------------------------------------------------------------------------------


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def from_daemon():
    """The routes that a running daemon tells."""
    with tempfile.TemporaryDirectory() as data:
        daemon = subprocess.Popen([CAPTIOND, "serve", "--port", "0", "--data", data], stderr=subprocess.PIPE, text=True)
        port = next(m[1] for m in (re.search(r"event=listening .*port=(\d+)", line) for line in daemon.stderr) if m)
        ask = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Accept": "application/json"})
        with urllib.request.urlopen(ask) as answer:
            routes = {(r["method"], r["path"]) for r in json.load(answer)["routes"]}
        daemon.kill()
        daemon.communicate()
    return routes


DOCKERFILE = read("docker/Dockerfile")
HAPROXY = read("docker/haproxy.cfg")
COMPOSE = yaml.safe_load(read("docker/compose.yaml"))
PROMETHEUS = yaml.safe_load(read("docker/prometheus.yml"))
ADAPTER = yaml.safe_load(read("docker/kubernetes/prometheus-adapter.yaml"))
OBJECTS = {d["kind"]: d for d in yaml.safe_load_all(read("docker/kubernetes/captiond.yaml"))}
POD = OBJECTS["Deployment"]["spec"]["template"]
CONTAINER = POD["spec"]["containers"][0]
REPLICA = COMPOSE["services"]["captiond"]
ROUTES = from_daemon()
HELP = subprocess.run([CAPTIOND, "serve", "--help"], capture_output=True, text=True, check=True).stdout
IMAGE_ENVIRONMENT = dict(re.findall(r"\b(CAPTIOND_[A-Z_]+)=(\S+)", DOCKERFILE))
PORT = int(IMAGE_ENVIRONMENT["CAPTIOND_PORT"])


def default_of(option):
    return re.search(rf"^  --{option} .*\(default ([^,]*),", HELP, re.M)[1]


def seconds(text):
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text.rstrip("s"))


def pod_environment():
    return {e["name"]: e.get("value", "a-key") for e in CONTAINER["env"]}


def same(wanted, *found):
    for one in found:
        assert one == wanted, f"{one!r}, not {wanted!r}"


# ---- the tests ---------------------------------------------------------------------------------------------------


def every_variable_is_an_option_that_takes_its_value():
    compose = {k: re.sub(r"\$\{.*\}", "", v) for k, v in REPLICA["environment"].items()}
    for variables in IMAGE_ENVIRONMENT, compose, pod_environment():
        assert variables
        for name in variables:
            assert re.search(rf"\b{name}\)", HELP), f"no option has the twin {name}"
        ended = subprocess.run([CAPTIOND, "serve", "--bogus"], env={**os.environ, **variables}, capture_output=True, text=True)
        assert "--bogus" in ended.stderr, ended.stderr


def every_path_that_is_asked_is_a_route():
    probes = [CONTAINER[p]["httpGet"]["path"] for p in ("startupProbe", "readinessProbe", "livenessProbe")]
    check = re.search(r"option httpchk GET (\S+)", HAPROXY)[1]
    retried = re.search(r"acl only_asks path (.*)", HAPROXY)[1].split()
    beginnings = re.search(r"acl only_asks path_beg (.*)", HAPROXY)[1].split()
    for path in [*probes, check]:
        assert ("GET", path) in ROUTES, path
    for path in retried:
        assert ("POST", path) in ROUTES, path
    for beginning in beginnings:
        assert any(method == "POST" and path.startswith(beginning) for method, path in ROUTES), beginning


def all_speak_of_one_port():
    same(PORT, int(re.search(r"^EXPOSE (\d+)", DOCKERFILE, re.M)[1]), int(REPLICA["expose"][0]))
    same(PORT, PROMETHEUS["scrape_configs"][0]["dns_sd_configs"][0]["port"], CONTAINER["ports"][0]["containerPort"])
    same(str(PORT), POD["metadata"]["annotations"]["prometheus.io/port"])
    same("captiond", PROMETHEUS["scrape_configs"][0]["dns_sd_configs"][0]["names"][0])
    template = re.search(r"server-template captiond (\d+) (\w+):(\d+)", HAPROXY)
    same((REPLICA["deploy"]["replicas"], "captiond", PORT), (int(template[1]), template[2], int(template[3])))
    name = CONTAINER["ports"][0]["name"]
    same(name, *(CONTAINER[p]["httpGet"]["port"] for p in ("startupProbe", "readinessProbe", "livenessProbe")))
    same(name, OBJECTS["Service"]["spec"]["ports"][0]["targetPort"])
    same(name, OBJECTS["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"])
    front = re.search(r"bind :(\d+)", HAPROXY)[1]
    assert COMPOSE["services"]["haproxy"]["ports"][0].endswith(f":{front}")


def the_health_check_is_a_command():
    check = json.loads(re.search(r"^HEALTHCHECK .*CMD (\[.*\])", DOCKERFILE, re.M)[1])
    same("captiond", check[0])
    asked = subprocess.run([CAPTIOND, *check[1:], "--help"], capture_output=True, text=True)
    assert asked.returncode == 0 and "CAPTIOND_PORT" in asked.stdout, asked.stderr
    same("service_healthy", COMPOSE["services"]["haproxy"]["depends_on"]["captiond"]["condition"])


def the_objects_point_at_each_other():
    labels, spec = POD["metadata"]["labels"], OBJECTS["HorizontalPodAutoscaler"]["spec"]
    same(labels, OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"], OBJECTS["Service"]["spec"]["selector"])
    same(labels, OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"])
    same(labels, OBJECTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"])
    same(("Deployment", OBJECTS["Deployment"]["metadata"]["name"]), (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]))
    volumes = {v["name"]: v for v in POD["spec"]["volumes"]}
    same(OBJECTS["PersistentVolumeClaim"]["metadata"]["name"], volumes["models"]["persistentVolumeClaim"]["claimName"])
    mounts = {m["mountPath"]: m for c in [*POD["spec"]["initContainers"], CONTAINER] for m in c["volumeMounts"]}
    assert {m["name"] for m in mounts.values()} == set(volumes), mounts
    assert pod_environment()["CAPTIOND_WEIGHTS"] in mounts and IMAGE_ENVIRONMENT["CAPTIOND_DATA"] in mounts
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or os.path.exists(os.path.join("docker", source)), source


def every_container_is_locked_in_and_limited():
    assert POD["spec"]["securityContext"]["runAsNonRoot"] and POD["spec"]["automountServiceAccountToken"] is False
    same(f"{POD['spec']['securityContext']['runAsUser']}:{POD['spec']['securityContext']['runAsGroup']}",
         re.search(r"^USER (\S+)", DOCKERFILE, re.M)[1])
    for container in [*POD["spec"]["initContainers"], CONTAINER]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"], container["name"]
        same(["ALL"], context["capabilities"]["drop"])
        assert {"cpu", "memory"} <= set(container["resources"]["limits"]), container["name"]
    same(CONTAINER["resources"]["limits"]["cpu"], pod_environment()["CAPTIOND_WORKERS"])
    assert REPLICA["read_only"] and REPLICA["cap_drop"] == ["ALL"]
    same(REPLICA["deploy"]["resources"]["limits"]["cpus"], REPLICA["environment"]["CAPTIOND_WORKERS"])


def nobody_hangs_up_before_requests_are_finished():
    drain = int(default_of("drain-ms")) / 1000
    assert seconds(REPLICA["stop_grace_period"]) > drain
    sleep = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    assert POD["spec"]["terminationGracePeriodSeconds"] > sleep + int(pod_environment()["CAPTIOND_DRAIN_MS"]) / 1000
    unit = read("docker/systemd/captiond.service")
    assert int(re.search(r"^TimeoutStopSec=(\d+)", unit, re.M)[1]) > drain
    timeouts = dict(re.findall(r"^\s*timeout (\S+) (\S+)", HAPROXY, re.M))
    assert seconds(timeouts["client"]) >= seconds(timeouts["server"]) > int(default_of("deadline-ms")) / 1000


def the_autoscaler_reads_what_the_daemon_measures():
    metric = OBJECTS["HorizontalPodAutoscaler"]["spec"]["metrics"][0]["pods"]
    rule = ADAPTER["rules"]["custom"][0]
    same(metric["metric"]["name"], rule["name"]["as"], rule["seriesQuery"].split("{")[0])
    assert int(metric["target"]["averageValue"]) < int(pod_environment()["CAPTIOND_QUEUE"])
    path = PROMETHEUS["scrape_configs"][0]["metrics_path"]
    same(path, POD["metadata"]["annotations"]["prometheus.io/path"])
    if ("GET", path) not in ROUTES:
        return f"this daemon has no {path} yet"
    assert metric["metric"]["name"].encode() in open(CAPTIOND, "rb").read(), metric["metric"]["name"]


TESTS = [
    every_variable_is_an_option_that_takes_its_value,
    every_path_that_is_asked_is_a_route,
    all_speak_of_one_port,
    the_health_check_is_a_command,
    the_objects_point_at_each_other,
    every_container_is_locked_in_and_limited,
    nobody_hangs_up_before_requests_are_finished,
    the_autoscaler_reads_what_the_daemon_measures,
]

failures = 0
for number, test in enumerate(TESTS, 1):
    try:
        skipped = test()
        print(f"ok {number} - {test.__name__}" + (f" # SKIP {skipped}" if skipped else ""))
    except Exception as wrong:  # whatever it is, this test failed
        failures += 1
        print(f"not ok {number} - {test.__name__}")
        print(*(f"# {line}" for line in f"{type(wrong).__name__}: {wrong}".splitlines()), sep="\n")
print(f"1..{len(TESTS)}")
sys.exit(failures > 0)
