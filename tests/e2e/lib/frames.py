# SPDX-License-Identifier: GPL-2.0-only
"""Frames by hand, for what no honest socket sends. Each function returns bytes; checksums are filled in."""

import os
import socket
import struct

from .agent import checksum

ARP, IPV4, IPV6, VLAN, QINQ = 0x0806, 0x0800, 0x86DD, 0x8100, 0x88A8
ICMP, TCP, UDP, ICMPV6, IPV6_FRAGMENT = 1, 6, 17, 58, 44
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
BROADCAST = "ff:ff:ff:ff:ff:ff"
STP_GROUP = "01:80:c2:00:00:00"
LLDP_GROUP = "01:80:c2:00:00:0e"


def marker():
    """A payload that stands in no other frame."""
    return b"mark-" + os.urandom(8).hex().encode()


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def address(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def link_local(mac_text):
    """The address that the kernel makes from a MAC address (RFC 4291, appendix A)."""
    m = mac(mac_text)
    return socket.inet_ntop(
        socket.AF_INET6, bytes.fromhex("fe80000000000000") + bytes([m[0] ^ 2]) + m[1:3] + b"\xff\xfe" + m[3:]
    )


def solicited_node(address_text):
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex("ff0200000000000000000001ff") + address(address_text)[13:])


def group_mac(address_text):
    a = address(address_text)
    group = b"\x33\x33" + a[12:] if len(a) == 16 else b"\x01\x00\x5e" + bytes([a[1] & 0x7F]) + a[2:]
    return group.hex(":")


def eth(destination, source, ethertype, payload, tags=()):
    """`tags`: outermost first, (ethertype of the tag, VLAN number)."""
    frame = mac(destination) + mac(source)
    for kind, number in tags:
        frame += struct.pack("!HH", kind, number)
    return (frame + struct.pack("!H", ethertype) + payload).ljust(60, b"\0")


def arp(operation, sender_mac, sender, target_mac, target):
    return (
        struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + mac(sender_mac) + address(sender) + mac(target_mac) + address(target)
    )


def ipv4(source, destination, protocol, payload, ttl=64, identifier=0, fragment=0, options=b""):
    """`fragment`: flags and offset as they stand in the header (0x2000: more follow)."""
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, words * 4 + len(payload), identifier, fragment, ttl, protocol, 0)
    head += address(source) + address(destination) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source, destination, protocol, payload, hops=64):
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + address(source) + address(destination) + payload


def ip(source, destination, protocol, payload, **kwargs):
    return (ipv6 if ":" in source else ipv4)(source, destination, protocol, payload, **kwargs)


def ip_type(text):
    return IPV6 if ":" in text else IPV4


def _transport_checksum(source, destination, protocol, segment):
    s, d = address(source), address(destination)
    if len(s) == 16:
        pseudo = s + d + struct.pack("!II", len(segment), protocol)
    else:
        pseudo = s + d + struct.pack("!BBH", 0, protocol, len(segment))
    return checksum(pseudo + segment)


def udp_segment(source, destination, source_port, destination_port, payload):
    segment = struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload
    value = _transport_checksum(source, destination, UDP, segment) or 0xFFFF
    return segment[:6] + struct.pack("!H", value) + segment[8:]


def udp(source, destination, source_port, destination_port, payload, **kwargs):
    return ip(source, destination, UDP, udp_segment(source, destination, source_port, destination_port, payload), **kwargs)


def tcp(source, destination, source_port, destination_port, flags, sequence=0, acknowledged=0, payload=b"", window=65535):
    segment = struct.pack(
        "!HHIIBBHHH", source_port, destination_port, sequence, acknowledged, 0x50, flags, window, 0, 0
    ) + payload
    value = _transport_checksum(source, destination, TCP, segment)
    return ip(source, destination, TCP, segment[:16] + struct.pack("!H", value) + segment[18:])


def icmp(source, destination, kind, code, body, hops=64):
    """Of either version; `body` is what follows the checksum."""
    packet = struct.pack("!BBH", kind, code, 0) + body
    if ":" in source:
        value = _transport_checksum(source, destination, ICMPV6, packet)
        return ipv6(source, destination, ICMPV6, packet[:2] + struct.pack("!H", value) + packet[4:], hops)
    return ipv4(source, destination, ICMP, packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:], hops)


def echo_request(source, destination, identifier=1, sequence=1, payload=b""):
    return icmp(source, destination, 128 if ":" in source else 8, 0, struct.pack("!HH", identifier, sequence) + payload)


def too_big(source, destination, mtu, quoted):
    """ICMP 'fragmentation needed' or ICMPv6 'packet too big', which quotes a packet (RFC 1191, RFC 4443)."""
    if ":" in source:
        return icmp(source, destination, 2, 0, struct.pack("!I", mtu) + quoted[:1200])
    return icmp(source, destination, 3, 4, struct.pack("!HH", 0, mtu) + quoted[:28])


def neighbour_solicitation(source, destination, target, source_mac):
    body = struct.pack("!I", 0) + address(target) + b"\x01\x01" + mac(source_mac)
    return icmp(source, destination, 135, 0, body, hops=255)


def neighbour_advertisement(source, destination, target, target_mac):
    """Solicited and overriding: what a cache poisoner sends."""
    body = struct.pack("!I", 0x60000000) + address(target) + b"\x02\x01" + mac(target_mac)
    return icmp(source, destination, 136, 0, body, hops=255)


def router_advertisement(source, source_mac, prefix="2001:db8:bad::"):
    body = struct.pack("!BBHII", 64, 0, 1800, 0, 0) + b"\x01\x01" + mac(source_mac)
    body += struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + address(prefix)
    return icmp(source, "ff02::1", 134, 0, body, hops=255)


def dhcp(operation, client_mac, message_type, offered="0.0.0.0", server="0.0.0.0"):
    """The BOOTP message with its type (RFC 2131, 2132); without UDP around it."""
    body = struct.pack("!BBBBIHH", operation, 1, 6, 0, 0x42554C4B, 0, 0x8000)
    body += address("0.0.0.0") + address(offered) + address(server) + address("0.0.0.0")
    body += mac(client_mac).ljust(16, b"\0") + b"\0" * 192
    body += bytes.fromhex("63825363") + bytes([53, 1, message_type])
    if operation == 2:
        body += bytes([54, 4]) + address(server) + bytes([3, 4]) + address(server)
    return body + b"\xff"


def stp(source_mac):
    """A configuration BPDU that claims to be the root bridge (IEEE 802.1D), in 802.3 framing."""
    bpdu = b"\x42\x42\x03" + struct.pack("!HBBB", 0, 0, 0, 0) + b"\0\0" + mac(source_mac) + b"\0\0\0\0"
    bpdu += b"\0\0" + mac(source_mac) + b"\x80\x01" + struct.pack("!HHHH", 0, 6 << 8, 1 << 8, 2 << 8)  # quick
    return (mac(STP_GROUP) + mac(source_mac) + struct.pack("!H", len(bpdu)) + bpdu).ljust(60, b"\0")
