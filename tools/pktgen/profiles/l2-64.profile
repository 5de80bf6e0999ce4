# The smallest frames, as many as the switch carries: packets per second and cycles per packet.
# weir-pktgen port=vhost:/run/a.sock port=vhost:/run/b.sock l2-64.profile
size = 64
flows = 64
rate = max
