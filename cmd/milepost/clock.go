package main

import "time"

// clock is what every command takes for the present; tests set it.
var clock = time.Now
