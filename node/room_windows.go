package node

import "golang.org/x/sys/windows"

// Room returns the bytes that are free to this user in the file system of a
// path, and the file system's size.
func Room(path string) (free, size uint64, err error) {
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, 0, err
	}
	err = windows.GetDiskFreeSpaceEx(p, &free, &size, nil)
	return free, size, err
}
