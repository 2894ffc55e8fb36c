# Points near a line, with noise from a generator of our own: every awk makes the same.
BEGIN {
    print "x,y"
    state = 42
    for (i = 0; i < count; i++) {
        state = (state * 16807) % 2147483647
        x = i / count
        printf "%.6f,%.6f\n", x, 2 + slope * x + (state / 2147483647 - 0.5) / 5
    }
}
