"""The tester of os-ken that waits before each frame, to tell a switch that acts late from one that acts wrongly."""
import os

from os_ken.lib import hub
from os_ken.tests.switch import tester

SETTLE_S = float(os.environ.get("WEIR_OFLAB_SETTLE", "0.7"))


class SettledOfTester(tester.OfTester):
    def _one_time_packet_send(self, pkt):
        hub.sleep(SETTLE_S)
        super()._one_time_packet_send(pkt)

    def _continuous_packet_send(self, pkt):
        hub.sleep(SETTLE_S)
        super()._continuous_packet_send(pkt)
