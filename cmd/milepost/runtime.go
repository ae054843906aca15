package main

import (
	"os"
	"runtime/debug"
)

// tuneRuntime lets the heap of a node grow to four times what is live before
// it is collected, unless the environment says otherwise (GOGC). A node keeps
// little, a few bytes a vehicle, and throws away much, above all records that
// were opened, checked and written; at Go's own setting a tenth of the
// processor went into collecting that.
func tuneRuntime() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300)
	}
}
