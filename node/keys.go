package node

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
)

// A holder's key files of one use are, below the cluster's directory:
//
//	keys/<holder>.<use>.key        the key that is in use
//	keys/<holder>.<use>.next.key   made, and to take its place once the log has it
//	keys/<holder>.<use>.<id>.key   former ones

// KeyPath is where the key file of a holder and a use is. Holders are nodes
// (node/<id>), governors and members by name.
func (c *Cluster) KeyPath(holder, use string) string { return c.keyPath(holder, use, "") }

// NextKeyPath is where the key file is that is to take the place of another.
func (c *Cluster) NextKeyPath(holder, use string) string { return c.keyPath(holder, use, ".next") }

func (c *Cluster) keyPath(holder, use, suffix string) string {
	return c.Path("keys", strings.ReplaceAll(holder, "/", "_")+"."+use+suffix+".key")
}

// PromoteKey makes the next key file the one in use, and sets the present one
// aside under its key ID. The next file must be there.
func (c *Cluster) PromoteKey(holder, use, formerID string) (former string, err error) {
	now, next := c.KeyPath(holder, use), c.NextKeyPath(holder, use)
	former = c.keyPath(holder, use, "."+formerID)
	if _, err := os.Stat(next); err != nil {
		return "", fmt.Errorf("next key file: %w", err)
	}
	// A crash between the two leaves the next file alone; a second call mends it.
	if err := os.Rename(now, former); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("set the former key file aside: %w", err)
	}
	if err := os.Rename(next, now); err != nil {
		return "", fmt.Errorf("put the new key file in place: %w", err)
	}
	return former, nil
}

// KeyAt reads a key file of a use and a name, or makes it when it is not
// there yet. It never overwrites one.
func KeyAt(path, use, name string, passphrase func() ([]byte, error)) (k *keyfile.Key, made bool, err error) {
	k, err = keyfile.ReadKeyFile(path, passphrase)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, false, err
		}
		if k, err = keyfile.NewKey(use, name, rand.Reader); err != nil {
			return nil, false, err
		}
		return k, true, k.WriteFile(path, nil)
	}
	if err == nil && (k.Use != use || k.Name != name) {
		err = fault.New("key_file", path, fmt.Sprintf("it is the %s key of %s, not the %s key of %s", k.Use, k.Name, use, name))
	}
	return k, false, err
}
