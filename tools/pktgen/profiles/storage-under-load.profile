# What happens to a guest's disk when another guest floods it: three ports. Port 0 reads from a target at port 1;
# port 2 sends bulk to port 0, through the queue where the answers stand. Look at streams[0].latency_ns and at ios_per_s,
# with and without `port 1` declared as a storage portal (10.0.2.1, TCP 3260) in the switch's configuration.
# weir-pktgen port=vhost:/run/vm.sock port=vhost:/run/target.sock port=vhost:/run/noisy.sock storage-under-load.profile
stream = disk
kind = iscsi
from = 0
to = 1
op = read
io-size = 65536
depth = 4
service = 50us

stream = bulk
from = 2
to = 0
size = 1514
flows = 16
rate = 500mbps
