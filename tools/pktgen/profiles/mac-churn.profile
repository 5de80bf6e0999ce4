# Thousands of addresses behind each port, in random order: the forwarding table and its learning. The ports must be
# trusted ("admit": { "enabled": false } or uplinks): a guest may use 8 addresses by default.
# weir-pktgen port=vhost:/run/a.sock port=vhost:/run/b.sock mac-churn.profile
size = 64
macs = 4096
flows = 4096
order = random
rate = 100kpps
