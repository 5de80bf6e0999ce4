# A guest that reads slowly must fill its own queue and nothing else: port 1 reads 20,000 frames a second and is sent more; ports 2
# and 3 must notice nothing. Look at streams[1]: nothing lost, latency as without the slow one.
# weir-pktgen port=vhost:/run/a.sock port=vhost:/run/slow.sock,rx=20kpps port=vhost:/run/c.sock port=vhost:/run/d.sock slow-guest.profile
stream = to-the-slow-one
from = 0
to = 1
rate = 40kpps

stream = bystanders
from = 2-3
to = pair
rate = 10kpps
