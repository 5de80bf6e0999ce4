size = imix
rate = 50kpps
duration = 30s
