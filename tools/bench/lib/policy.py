"""What a switch is told about traffic, in NIOC's words. Each switch says it in its own (switches.py)."""
from dataclasses import dataclass, field

MBIT = 1_000_000
GBIT = 1000 * MBIT
FRAMING = 24            # bytes on the wire that no frame has in memory: preamble, FCS, gap
STORAGE_TCP_PORT = 3260  # weir-pktgen's iscsi streams
IO_BYTES = 4096         # of one command of theirs


def wire_bytes(size):
    return max(size, 60) + FRAMING


@dataclass
class Policy:
    """An uplink (the last port) of RATE bit/s on the wire, guests before it; guest 0 has a disk behind it.

    Class storage has RESERVATION and the same part of the link as its shares; the bulk guests have the rest by their `shares`. No rate: 0,
    no class is set up. `down` is what each guest may receive.
    """
    rate: int = GBIT
    reservation: int = 400 * MBIT
    shares: dict = field(default_factory=dict)  # bulk guest -> shares
    limits: dict = field(default_factory=dict)  # guest -> bit/s that it may send in all: its ring waits
    queued: dict = field(default_factory=dict)  # guest -> bit/s of its bulk on the uplink: its queue there waits
    down: int = 0

    def guests(self):
        """Weir's words for each guest that has some."""
        out = {}
        for guest, n in self.shares.items():
            out.setdefault(guest, {})["shares"] = n
        for guest, rate in self.limits.items():
            out.setdefault(guest, {})["limit-from"] = str(rate)
        for guest, rate in self.queued.items():
            out.setdefault(guest, {})["class"] = [{"name": "bulk", "limit": str(rate)}]
        for guest in self.shares if self.down else []:
            out.setdefault(guest, {})["limit-to"] = str(self.down)
        return out

    def bulk_floor(self, guest=None):
        """What bulk, or one bulk guest, has in any case."""
        part = 1 if guest is None else self.shares[guest] / sum(self.shares.values())
        return (self.rate - self.reservation) * part

    def storage_shares(self):
        """Of 100, so that shares alone divide the link as the reservation does."""
        return round(100 * self.reservation / self.rate)


def portal_address(ports):
    """Where the last of PORTS ports of weir-pktgen answers."""
    return "10.0.%d.1" % ports


def guest_network(guest):
    return "10.0.%d.0/24" % (guest + 1)
