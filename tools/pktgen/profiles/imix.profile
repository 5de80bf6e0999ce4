# The customary mix: 7 of 64 bytes, 4 of 570, 1 of 1514, half UDP and half TCP, each byte compared.
# weir-pktgen port=vhost:/run/a.sock port=vhost:/run/b.sock imix.profile expect=lossless rate=200kpps
size = imix
flows = 1000
l4 = mix
order = random
verify = on
rate = 100kpps
