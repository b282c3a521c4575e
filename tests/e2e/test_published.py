#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""exploration"""
import concurrent.futures, os, sys, time, json
sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.engines import EngineHost
from lib.host import run, wait_until

UPLINK = {4: "203.0.113.1", 6: "2001:db8:113::1"}
FAR = {4: "203.0.113.9", 6: "2001:db8:113::9"}
NETWORKS = {"one": ("172.30.1.0/24", "fd00:30:1::/64"), "two": ("172.30.2.0/24", "fd00:30:2::/64")}
GATEWAY = {"one": {4: "172.30.1.1", 6: "fd00:30:1::1"}, "two": {4: "172.30.2.1", 6: "fd00:30:2::1"}}
GUESTS = {"web": "one", "mate": "one", "near": "one", "cousin": "two", "away": "two"}
ZONE = """
version: 1
settings: {{ ignore: [ uplink ], host_to_containers: deny }}
zones:
  shop:
    within: deny
    groups:
      web: {{ members: {{ name: web }} }}
      mate: {{ members: {{ name: mate }} }}
      cousin: {{ members: {{ name: cousin }} }}
  near: {{ members: {{ name: near }} }}
  away: {{ members: {{ name: away }} }}
rules:
  - {{ from: [ {0} ], to: shop/web, allow: [ tcp/80, udp/80 ] }}
"""
ENDS = {"world": "world", "host": "host", "web": "shop/web", "mate": "shop/mate", "near": "near", "cousin": "shop/cousin", "away": "away"}

def scene(host, bindings6=True):
    for name, (v4, v6) in NETWORKS.items():
        extra = []
        if host.engine.name == "docker":
            extra = ["--gateway", GATEWAY[name][4], "--gateway", GATEWAY[name][6]]
        else:
            extra = ["--gateway", GATEWAY[name][4]]
        host.engine("network", "create", "--subnet", v4, "--ipv6", "--subnet", v6, *extra, name)
    far = host.outside("far", "uplink", UPLINK[4] + "/24", [FAR[4] + "/24", FAR[6] + "/64"], host_address6=UPLINK[6] + "/64")
    publish = []
    for proto in ("tcp", "udp"):
        publish += [f"-p 8080:80/{proto}", f"-p 127.0.0.1:8081:80/{proto}", f"-p {UPLINK[4]}:8082:80/{proto}",
                    f"-p [::1]:8081:80/{proto}", f"-p [{UPLINK[6]}]:8082:80/{proto}"]
    for name, network in GUESTS.items():
        host.run(name, f"--network {network}", *(publish if name == "web" else []))
    for proto in ("tcp", "udp"):
        host.guests["web"].listen(proto, 80)
    return far

def tries(host):
    web = host.guests["web"]
    own = {4: web.address(), 6: web.address(True)}
    cells = []
    def add(asker, family, kind, address):
        if kind == "container":
            for proto in ("tcp", "udp"):
                cells.append((asker, family, kind, "direct", proto, address, 80))
            return
        for binding, port in (("all", 8080), ("loopback", 8081), ("one", 8082)):
            for proto in ("tcp", "udp"):
                cells.append((asker, family, kind, binding, proto, address, port))
    for family in (4, 6):
        add("far", family, "uplink", UPLINK[family])
        add("far", family, "container", own[family])
        add("host", family, "uplink", UPLINK[family])
        add("host", family, "gateway", GATEWAY["one"][family])
        add("host", family, "loopback", {4: "127.0.0.1", 6: "::1"}[family])
        add("host", family, "container", own[family])
        for name, network in GUESTS.items():
            add(name, family, "uplink", UPLINK[family])
            add(name, family, "gateway", GATEWAY[network][family])
            add(name, family, "container", own[family])
    return cells

def attempt(host, cells, expected, grace=0.8):
    agents = {**host.guests, "far": host.containers["far"], "host": host.agent}
    by = {}
    for i, c in enumerate(cells):
        by.setdefault(c[0], []).append(i)
    results = {}
    with concurrent.futures.ThreadPoolExecutor(len(by)) as pool:
        jobs = {a: pool.submit(agents[a].reach_many, [(cells[i][4], cells[i][5], cells[i][6], cells[i][:5] in expected) for i in ii], 10.0, grace) for a, ii in by.items()}
        for a, ii in by.items():
            for i, ok in zip(ii, jobs[a].result()):
                if ok: results[cells[i][:5]] = True
    return set(results)

def explore(name, options):
    def test(_):
        host = EngineHost(name, options)
        try:
            t=time.monotonic()
            scene(host)
            cells = tries(host)
            print("# setup", time.monotonic()-t)
            before = attempt(host, cells, set(), 4)
            phases = {}
            host.policy(ZONE.format("world"))
            host.start()
            host.wait_guests(*GUESTS)
            for end, word in ENDS.items():
                t=time.monotonic()
                host.reload(ZONE.format(word if word == "host" else f"{word}, host"))
                phases[end] = attempt(host, cells, set(), 2.5)
                print("# phase", end, time.monotonic()-t)
            host.reload(ZONE.format(", ".join(w for w in ENDS.values() if w != "host")))
            phases["nohost"] = attempt(host, cells, set(), 2.5)
            out = {}
            for c in cells:
                k = c[:5]
                out[k] = (k in before, ['all' if all(k in phases[e] for e in ENDS) else ','.join(e for e in ENDS if k in phases[e])] + (['!nohost'] if k not in phases['nohost'] else []))
            rows = {}
            for (asker,f,kind,b,proto),v in out.items():
                rows.setdefault((asker,f,kind,b),{})[proto]=v
            for k,v in rows.items():
                print("#", *k, "" if len(set(map(str,v.values()))) > 1 else "SAME", {p:(("ok" if b else "-"), ",".join(e)) for p,(b,e) in v.items()})
            st = host.ask("status")
            print("#", json.dumps(st["problems"]))
        except BaseException:
            import traceback
            for line in traceback.format_exc().splitlines() + host.log().splitlines()[-30:]:
                print(f"# {line}")
            raise SystemExit(1)
        finally:
            host.close()
    test.needs_host=False
    test.__name__="explore_"+name+"".join(options).replace("-","_").replace("=","_")
    test.__doc__=test.__name__
    return test

TESTS=[explore("docker",()), explore("docker",("--userland-proxy=false",)), explore("docker",("--ip6tables","--experimental")), explore("docker",("--ip6tables","--experimental","--userland-proxy=false")), explore("podman",())]
if __name__=="__main__":
    tap.main(TESTS)
