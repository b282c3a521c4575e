# SPDX-License-Identifier: GPL-2.0-only
"""The kubelet's side of the CRI, as little as is needed to make pods: gRPC is a message in an HTTP/2 stream. The numbers
of the fields are those of k8s.io/cri-api, runtime/v1."""

import socket
import struct

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def _number(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def message(fields):
    """A protobuf message of {number: value}: int, str, bytes, a dict (a message) or a list of them. A dict with names for
    keys is a map."""
    out = b""
    for number, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int):
                out += _number(number << 3) + _number(item)
                continue
            if isinstance(item, dict) and all(isinstance(key, str) for key in item):
                out += message({number: [{1: key, 2: text} for key, text in item.items()]})
                continue
            data = item.encode() if isinstance(item, str) else message(item) if isinstance(item, dict) else item
            out += _number(number << 3 | 2) + _number(len(data)) + data
    return out


def _first_text(data):
    """The first field of an answer: all that are asked for here have one text there, or nothing."""
    return data[2 : 2 + data[1]].decode() if data else ""


class Cri:
    def __init__(self, path, cgroup_parent):
        self.path = path
        self.cgroup_parent = cgroup_parent
        self.pods = {}  # id to configuration

    def call(self, method, fields, service="runtime.v1.RuntimeService"):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(60)
            stream.connect(self.path)
            return self._call(stream, f"/{service}/{method}", message(fields))

    def _call(self, stream, target, body):
        def frame(kind, flags, number, payload=b""):
            stream.sendall(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, number) + payload)

        def read(size):
            data = b""
            while len(data) < size:
                more = stream.recv(size - len(data))
                if not more:
                    raise RuntimeError(f"{target}: the server has hung up")
                data += more
            return data

        head = {
            ":method": "POST",
            ":scheme": "http",
            ":path": target,
            ":authority": "localhost",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        # Literal header fields without indexing, new names (RFC 7541, 6.2.2): nothing to keep, nothing to compress.
        block = b"".join(
            bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in head.items()
        )
        stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        frame(SETTINGS, 0, 0)
        frame(HEADERS, END_HEADERS, 1, block)
        frame(DATA, END_STREAM, 1, struct.pack(">BI", 0, len(body)) + body)
        answer = b""
        while True:
            length, kind, flags, number = struct.unpack(">IBBI", b"\0" + read(9))
            payload = read(length)
            if kind == SETTINGS and not flags & ACK:
                frame(SETTINGS, ACK, 0)
            elif kind == PING and not flags & ACK:
                frame(PING, ACK, 0, payload)
            elif kind in (RESET, GOAWAY):
                raise RuntimeError(f"{target}: the server has ended it")
            elif number == 1 and kind == DATA:
                answer += payload
            if number == 1 and flags & END_STREAM and kind in (DATA, HEADERS):
                break
        # A failed call has a status in its trailers and no message.
        if not answer:
            raise RuntimeError(f"{target} failed; the runtime's log says why")
        return _first_text(answer[5:])

    def run_pod(self, name, namespace, labels=None, annotations=None, ports=(), host_network=False):
        config = {
            1: {1: name, 2: f"uid-{name}", 3: namespace},
            2: name,
            5: [{1: 0, 2: inside, 3: outside} for outside, inside in ports],
            6: labels or {},
            7: annotations or {},
            8: {1: self.cgroup_parent, 2: {1: {1: 2 if host_network else 0}}},
        }
        if host_network:  # its name would be the host's
            del config[2]
        pod = self.call("RunPodSandbox", {1: config})
        self.pods[pod] = config
        return pod

    def run_container(self, pod, name, image, command, annotations=None):
        container = self.call(
            "CreateContainer",
            {1: pod, 2: {1: {1: name}, 2: {1: image}, 3: list(command), 10: annotations or {}}, 3: self.pods[pod]},
        )
        self.call("StartContainer", {1: container})
        return container

    def remove_pod(self, pod):
        del self.pods[pod]
        self.call("StopPodSandbox", {1: pod})
        self.call("RemovePodSandbox", {1: pod})
