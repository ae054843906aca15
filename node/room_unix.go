//go:build unix

package node

import "golang.org/x/sys/unix"

// Room returns the bytes that are free to this user in the file system of a
// path, and the file system's size.
func Room(path string) (free, size uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, 0, err
	}
	block := uint64(s.Bsize)
	return uint64(max(s.Bavail, 0)) * block, uint64(s.Blocks) * block, nil
}
