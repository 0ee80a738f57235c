"""The network. Every attack is also checked for somebody of the machine having heard of it."""

from __future__ import annotations

from attacks.attack import OUTCOME, Attack

ATTACKS = [
    Attack(
        "tcp_and_udp",
        OUTCOME
        + """
import socket
hosts = ("127.0.0.1", "10.0.2.2", "169.254.169.254", "8.8.8.8")
print({outcome(socket.create_connection, (host, PORT), 1) for host in hosts})
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print({outcome(datagram.sendto, b"x", (host, PORT)) for host in hosts})
print(outcome(socket.create_connection, ("::1", PORT), 1))
""",
        shows=("{'OSError'}\n{'OSError'}\nOSError",),
    ),
    Attack(
        "unix_sockets",
        OUTCOME
        + """
import glob, socket
def connect(place):
    socket.socket(socket.AF_UNIX).connect(place)
places = [f"\\0listener-{PORT}", "/run/dbus/system_bus_socket", "/var/run/docker.sock", "/tmp/.X11-unix/X0", f"{COURSE}/socket"]
print({outcome(connect, place) for place in places})
print("abstract", [line for line in open("/proc/net/unix") if "@" in line])
""",
        shows=("{'ConnectionRefusedError', 'FileNotFoundError'}", "abstract []"),
    ),
    Attack(
        "names",
        OUTCOME
        + """
import socket, urllib.request
print(outcome(socket.getaddrinfo, "example.org", 80), outcome(urllib.request.urlopen, "http://example.org", None, 2))
""",
        shows="gaierror URLError",
    ),
    Attack(
        "other_families",
        OUTCOME
        + """
import socket
families = {"vsock": 40, "packet": 17, "alg": 38, "bluetooth": 31, "can": 29, "xdp": 44, "rds": 21, "tipc": 30}
print({outcome(socket.socket, family, socket.SOCK_DGRAM) for family in families.values()})
print({outcome(socket.socket, socket.AF_INET, socket.SOCK_RAW, protocol) for protocol in (1, 255)})
print(outcome(socket.socket, 40, socket.SOCK_STREAM))
""",
        shows=("{'OSError'}\n{'PermissionError'}\nOSError",),
    ),
    Attack(
        "bring_up_an_interface",
        OUTCOME
        + """
import fcntl, os, socket, struct
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(outcome(fcntl.ioctl, control, 0x8914, struct.pack("16sH14x", b"lo", 0x41)))
print(outcome(os.open, "/dev/net/tun", os.O_RDWR), os.listdir("/proc/sys/net/ipv4/conf"))
""",
        shows=("PermissionError\nFileNotFoundError ['all', 'default', 'lo']",),
    ),
]
