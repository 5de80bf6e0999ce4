# TCP super-frames as a Linux guest sends them: unfinished checksum, 64 KiB in fragments of 16 KiB.
# weir-pktgen port=vhost:/run/a.sock port=vhost:/run/b.sock tso.profile
size = 65000
tso = 1448
piece = 16384
rx-buffer = 16384
flows = 8
rate = 1gbps
verify = on
