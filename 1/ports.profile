# two ports
port = copy:a
port = copy:b   # joined
warm-up = 50ms
