package outbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/milepost-log/milepost/certs/durable"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node/store"
)

// disk is what a queue does to its directory, step by step: a crash may come
// between any two of them, and tests put one there.
type disk interface {
	mkdir(dir string) error
	// write makes or replaces a file whose content is synced on return; its
	// entry in the directory is not. A crash may leave a part of it.
	write(path string, data []byte) error
	// rename moves a file, over one that is there. A queue does so within one
	// directory only, where it is one step on every disk.
	rename(from, to string) error
	remove(path string) error // one that is not there is no error
	syncDir(dir string) error
	read(path string, max int64) ([]byte, error)
	list(dir string) ([]string, error) // sorted; no directory is no names
	stat(path string) (fileInfo, error)
	// lock makes a file this process's own until release; nil if it is
	// another's.
	lock(path string) (release func() error, err error)
}

type fileInfo struct {
	size    int64
	mod     time.Time
	regular bool
}

// osDisk is the real one.
type osDisk struct{}

// failed gives an error of the file system its code: disk_full or file.
func failed(path string, err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch full := store.WriteError(err); {
	case err == nil:
		return nil
	case fault.Code(full) == "disk_full":
		return fault.New("disk_full", path, "the disk is full").WithHint("free space; what is in the outbox already is safe")
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	}
	return fault.New("file", path, "the file system says no").Because(err)
}

func (osDisk) mkdir(dir string) error { return failed(dir, os.MkdirAll(dir, 0o700)) }

func (osDisk) write(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return failed(path, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return failed(path, errors.Join(err, f.Close()))
}

func (osDisk) rename(from, to string) error { return failed(to, os.Rename(from, to)) }

func (osDisk) remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return failed(path, err)
	}
	return nil
}

func (osDisk) syncDir(dir string) error { return failed(dir, durable.SyncDir(dir)) }

func (osDisk) read(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, failed(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(data)) > max {
		return nil, fault.New("too_large", path, fmt.Sprintf("it is larger than %d bytes", max))
	}
	return data, failed(path, err)
}

func (osDisk) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, failed(dir, err)
}

func (osDisk) stat(path string) (fileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return fileInfo{}, err
	}
	return fileInfo{info.Size(), info.ModTime(), info.Mode().IsRegular()}, nil
}

func (osDisk) lock(path string) (release func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, failed(path, err)
	}
	if !lock(f) {
		return nil, f.Close()
	}
	return f.Close, nil
}

// put makes a file appear whole or not at all, and synced; its directory is
// to be synced after it.
func put(d disk, path string, data []byte) error {
	// A name of its own, for another process may be writing the same file.
	dir, name := filepath.Split(path)
	tmp := filepath.Join(dir, partial+rand.Text()[:8]+"-"+name)
	err := d.write(tmp, data)
	if err == nil {
		err = d.rename(tmp, path)
	}
	if err != nil {
		d.remove(tmp) // on a full disk it would be in the way
	}
	return err
}

// partial begins the name of a file that is being written.
const partial = ".partial-"
