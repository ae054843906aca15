//go:build unix && !solaris && !aix

package outbox

import (
	"errors"
	"os"
	"syscall"
)

// lock takes a file for this process until it is closed. It is false if
// another has it. On a file system without locks nobody has it: two flushes
// then send the same bytes twice, and the log takes them once.
func lock(f *os.File) bool {
	return !errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
