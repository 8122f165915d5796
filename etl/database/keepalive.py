"""TCP keepalives, by which a connection that a firewall forgot fails within a minute instead of hours."""

import socket

IDLE_SECONDS, PROBE_SECONDS, MAX_PROBES = 30, 10, 3
"""The pause before the first probe, the pause between two probes, and the number of probes without an answer."""

OPTIONS = (("TCP_KEEPIDLE", IDLE_SECONDS), ("TCP_KEEPINTVL", PROBE_SECONDS), ("TCP_KEEPCNT", MAX_PROBES))


def keep_alive(connected: socket.socket) -> None:
    """Probe an idle connection; a socket of this machine needs no probes."""
    if connected.family == socket.AF_UNIX:
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in OPTIONS:
        if hasattr(socket, option):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
