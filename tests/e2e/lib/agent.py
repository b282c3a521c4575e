# SPDX-License-Identifier: GPL-2.0-only
"""What a container does in a test: one forked process a network namespace that carries out orders. No interpreter is
started and no sleep is needed: an order's answer comes when it is done."""

import errno
import os
import pickle
import signal
import socket
import struct
import threading
import time

from . import namespace

ETH_P_ALL = 3


class Operations:
    """Runs inside the namespace. Each public method is an order."""

    def __init__(self):
        self.listeners = {}
        self.kept = {}
        self.sniffers = {}
        self.next_id = 0

    def _keep(self, thing):
        self.next_id += 1
        self.kept[self.next_id] = thing
        return self.next_id

    # ---- servers: TCP echoes lines, UDP and SCTP echo datagrams

    def listen(self, protocol, port, address=None):
        family = socket.AF_INET6 if address is None or ":" in address else socket.AF_INET
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        number = getattr(socket, "IPPROTO_SCTP", 132) if protocol == "sctp" else 0
        server = socket.socket(family, kind, number)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and address is None:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind((address or "::", port))
        if protocol != "udp":
            server.listen(64)
        self.listeners[(protocol, port, address)] = server
        target = self._serve_datagrams if protocol == "udp" else self._serve_streams
        threading.Thread(target=target, args=(server,), daemon=True).start()

    def _serve_datagrams(self, server):
        while True:
            try:
                data, peer = server.recvfrom(65535)
                server.sendto(data, peer)
            except OSError:
                continue

    def _serve_streams(self, server):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    @staticmethod
    def _echo(connection):
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            pass
        finally:
            connection.close()

    # ---- clients

    def reach(self, protocol, address, port, timeout=0.6, source=None, source_port=0, mark=None):
        """Does a whole exchange succeed? True or False; never raises for what a firewall does."""
        if protocol in ("icmp", "icmpv6", "ping"):
            return self.ping(address, timeout)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        number = 132 if protocol == "sctp" else 0
        client = socket.socket(family, kind, number)
        try:
            client.settimeout(timeout)
            if mark is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, struct.pack("=I", mark))
            if source or source_port:
                client.bind((source or ("::" if family == socket.AF_INET6 else "0.0.0.0"), source_port))
            client.connect(endpoint(address, port))
            client.send(b"bulkhead")
            return client.recv(64) == b"bulkhead"
        except OSError:
            return False
        finally:
            client.close()

    def reach_many(self, tries, timeout, grace):
        """reach() for a list of (protocol, address, port, expected), all at once and again and again until each that is
        expected has succeeded, or the time is over. The others have `grace` seconds more. A list of True and False."""
        results = [False] * len(tries)
        stop = threading.Event()

        def one(index, protocol, address, port):
            while not stop.is_set() and not results[index]:
                results[index] = self.reach(protocol, address, port, 1.0)
                stop.wait(0 if results[index] else 0.05)

        threads = [
            threading.Thread(target=one, args=(index, *words[:3]), daemon=True) for index, words in enumerate(tries)
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + timeout
        for thread, words in zip(threads, tries):
            if words[3]:
                thread.join(max(0, deadline - time.monotonic()))
        for end in [time.monotonic() + grace]:
            for thread in threads:
                thread.join(max(0, end - time.monotonic()))
        stop.set()
        return list(results)

    def ping(self, address, timeout=0.6):
        v6 = ":" in address
        family, number = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
        client = socket.socket(family, socket.SOCK_RAW, number)
        identifier = os.getpid() & 0xFFFF
        sequence = self.next_id = (self.next_id + 1) & 0xFFFF
        packet = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, identifier, sequence) + b"bulkhead"
        if not v6:
            packet = packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]
        deadline = time.monotonic() + timeout
        try:
            client.connect((address, 0))
            client.send(packet)
            while (left := deadline - time.monotonic()) > 0:
                client.settimeout(left)
                data = client.recv(2048)
                data = data if v6 else data[(data[0] & 15) * 4 :]
                if data[0] == (129 if v6 else 0) and struct.unpack("!HH", data[4:8]) == (identifier, sequence):
                    return True
        except OSError:
            pass
        finally:
            client.close()
        return False

    # ---- connections that are kept open

    def connect(self, address, port, timeout=2.0, protocol="tcp", source_port=0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        client = socket.socket(family, socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM)
        client.settimeout(timeout)
        if source_port:
            client.bind(("::" if ":" in address else "0.0.0.0", source_port))
        client.connect((address, port))
        return self._keep(client)

    def exchange(self, handle, data=b"x", timeout=1.0):
        """Sends and waits for the echo. True when it came back whole."""
        client = self.kept[handle]
        client.settimeout(timeout)
        try:
            client.sendall(data)
            got = b""
            while len(got) < len(data):
                part = client.recv(len(data) - len(got))
                if not part:
                    return False
                got += part
            return got == data
        except OSError:
            return False

    def close(self, handle):
        self.kept.pop(handle).close()

    # ---- a stream of numbered datagrams, to count what is lost

    def pump_start(self, address, port, interval=0.001):
        """Sends numbered UDP datagrams until pump_stop(), which tells (sent, echoed)."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        client = socket.socket(family, socket.SOCK_DGRAM)
        client.connect((address, port))
        state = {"stop": False, "sent": 0, "echoed": set(), "socket": client}

        def send():
            while not state["stop"]:
                try:
                    client.send(struct.pack("!Q", state["sent"]))
                    state["sent"] += 1
                except OSError:
                    pass
                time.sleep(interval)

        def receive():
            client.settimeout(0.1)
            while not state.get("done"):
                try:
                    state["echoed"].add(client.recv(64))
                except OSError:
                    continue

        state["threads"] = [threading.Thread(target=send, daemon=True), threading.Thread(target=receive, daemon=True)]
        for thread in state["threads"]:
            thread.start()
        return self._keep(state)

    def pump_stop(self, handle, settle=0.5):
        state = self.kept.pop(handle)
        state["stop"] = True
        state["threads"][0].join()
        deadline = time.monotonic() + settle
        while len(state["echoed"]) < state["sent"] and time.monotonic() < deadline:
            time.sleep(0.01)
        state["done"] = True
        state["threads"][1].join()
        state["socket"].close()
        return state["sent"], len(state["echoed"])

    def pump_progress(self, handle):
        state = self.kept[handle]
        return state["sent"], len(state["echoed"])

    # ---- frames

    def send_frame(self, interface, frame, count=1):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        try:
            raw.bind((interface, 0))
            for _ in range(count):
                raw.send(frame)
        finally:
            raw.close()

    def send_frame_marked(self, interface, frame, mark):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, struct.pack("=I", mark))
            raw.bind((interface, 0))
            raw.send(frame)
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # how a program at the interface says that it has dropped it
                raise
        finally:
            raw.close()

    def sniff_start(self, interface):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        if interface:  # None: all of the namespace's, those that come later too
            raw.bind((interface, 0))
        return self._keep(raw)

    def sniff_until(self, handle, needle, timeout=1.0):
        """Waits for an incoming frame that holds `needle`; the frame, or None."""
        raw = self.kept[handle]
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            raw.settimeout(left)
            try:
                frame, meta = raw.recvfrom(65535)
            except OSError:
                return None
            if meta[2] != 4 and needle in frame:  # 4: PACKET_OUTGOING
                return frame
        return None

    def sniff_stop(self, handle):
        """Closes; the incoming frames that were still waiting."""
        raw = self.kept.pop(handle)
        raw.setblocking(False)
        frames = []
        while True:
            try:
                frame, meta = raw.recvfrom(65535)
            except OSError:
                break
            if meta[2] != 4:
                frames.append(frame)
        raw.close()
        return frames

    def spam_start(self, interface, frame):
        """Sends the frame over and over, from the very moment the interface exists and is up, until spam_stop()."""
        state = {"stop": False, "sent": 0}

        def spam():
            raw = None
            while not state["stop"]:
                try:
                    if raw is None:
                        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                        raw.bind((interface, 0))
                    raw.send(frame)
                    state["sent"] += 1
                except OSError:  # not there yet, or down
                    if raw and state["sent"] == 0:
                        raw.close()
                        raw = None
                time.sleep(0.0002)

        state["thread"] = threading.Thread(target=spam, daemon=True)
        state["thread"].start()
        return self._keep(state)

    def spam_stop(self, handle):
        state = self.kept.pop(handle)
        state["stop"] = True
        state["thread"].join()
        return state["sent"]

    def spam_sent(self, handle):
        return self.kept[handle]["sent"]

    # ---- anything else

    def run(self, *command, check=True):
        import subprocess

        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and result.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip()}")
        return result.stdout

    def call(self, function, *args):
        """A module-level function of the test itself, run in here (pickled by name)."""
        return function(self, *args)


def endpoint(address, port):
    """For connect(), which wants a link-local address's interface (fe80::1%eth0) by number."""
    if "%" not in address:
        return address, port
    address, interface = address.split("%")
    return address, port, 0, socket.if_nametoindex(interface)


def checksum(data):
    """The Internet checksum, RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Agent:
    """The test's side. agent.reach(…) runs Operations.reach(…) in the namespace."""

    def __init__(self, netns_path):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            code = 1
            try:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                if netns_path:
                    namespace.setns(netns_path)
                _serve(theirs)
                code = 0
            finally:
                os._exit(code)
        theirs.close()
        self.socket = ours
        self.lock = threading.Lock()

    def __getattr__(self, name):
        if name.startswith("_") or not hasattr(Operations, name):
            raise AttributeError(name)

        def order(*args, **kwargs):
            with self.lock:
                _send(self.socket, (name, args, kwargs))
                ok, value = _receive(self.socket)
            if not ok:
                raise RuntimeError(value)
            return value

        return order

    def stop(self):
        if self.pid:
            self.socket.close()
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.waitpid(self.pid, 0)
            self.pid = 0


def _send(stream, thing):
    data = pickle.dumps(thing)
    stream.sendall(struct.pack("!I", len(data)) + data)


def _receive_exactly(stream, size):
    data = b""
    while len(data) < size:
        part = stream.recv(size - len(data))
        if not part:
            raise EOFError("the agent is gone")
        data += part
    return data


def _receive(stream):
    (size,) = struct.unpack("!I", _receive_exactly(stream, 4))
    return pickle.loads(_receive_exactly(stream, size))


def _serve(stream):
    operations = Operations()
    while True:
        try:
            name, args, kwargs = _receive(stream)
        except EOFError:
            return
        try:
            _send(stream, (True, getattr(operations, name)(*args, **kwargs)))
        except Exception as error:  # the test shall see it, whatever it is
            _send(stream, (False, f"{type(error).__name__}: {error}"))
