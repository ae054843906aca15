// Package durable makes names last. A file that was written and synced is
// there after a power loss only if its name is: that stands in its directory,
// which has to be synced as well (fsync(2), Notes).
package durable

import (
	"errors"
	"os"
	"runtime"
)

// SyncDir makes what was created, renamed and removed in a directory outlast a
// power loss. Errors are those of the system, with the path.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be opened for syncing there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
