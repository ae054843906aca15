package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/durable"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/verify"
)

// A backup is a directory of four files: raft.db, tree.db and heads.db as of
// one moment, and manifest.json, which says what they are. It holds no keys.
const (
	manifestFile   = "manifest.json"
	manifestFormat = "milepost/backup@v1"
	maxManifest    = 1 << 20 // bytes
)

// Manifest says what a backup holds.
type Manifest struct {
	Format      string         `json:"format"` // milepost/backup@v1
	Version     string         `json:"version"`
	Origin      string         `json:"origin"`
	Node        string         `json:"node"` // whose data it is
	Made        string         `json:"made"` // RFC 3339, by the node's clock
	TreeSize    uint64         `json:"tree_size"`
	Root        string         `json:"root"` // at TreeSize, hex
	Applied     uint64         `json:"applied"`
	AppliedTerm uint64         `json:"applied_term"`
	LedgerLast  uint64         `json:"ledger_last"` // last entry of raft.db, not below Applied
	Checkpoint  string         `json:"checkpoint"`  // the newest head with a quorum, of a size up to TreeSize, with its signatures
	Files       []ManifestFile `json:"files"`       // in the order of backupFiles
	Sum         string         `json:"manifest_sha256"`
}

// ManifestFile is one file of a backup.
type ManifestFile struct {
	Name   string `json:"name"`
	Format string `json:"format"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// backupFiles are the files of a backup and their formats, in the order in
// which they are read from a running node: see liveBackup.
var backupFiles = []ManifestFile{
	{Name: headsFile, Format: "milepost/heads@v1"},
	{Name: treeFile, Format: "milepost/tree@v1"},
	{Name: ledgerFile, Format: "milepost/ledger@v1"},
}

// bytes writes the manifest in its one form, with the hash over all of it but
// that hash.
func (m *Manifest) bytes() []byte {
	c := *m
	c.Sum = ""
	data, err := json.MarshalIndent(&c, "", "  ")
	if err != nil {
		panic(err) // strings and numbers
	}
	h := sha256.Sum256(data)
	c.Sum = hex.EncodeToString(h[:])
	if data, err = json.MarshalIndent(&c, "", "  "); err != nil {
		panic(err)
	}
	return append(data, '\n')
}

func backupDamaged(where, what string) *fault.Error {
	return fault.New("backup_damaged", where, what).WithHint("take another backup; this one is not what was written")
}

// ParseManifest reads manifest.json strictly. Codes: backup_damaged,
// backup_version.
func ParseManifest(data []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, backupDamaged(manifestFile, "it cannot be read").Because(err)
	}
	if m.Format != manifestFormat {
		return nil, fault.New("backup_version", manifestFile, fmt.Sprintf("the backup has the format %.40q, this program reads %s", m.Format, manifestFormat)).
			WithHint("use the milepost that wrote it, or a newer one")
	}
	if !bytes.Equal(m.bytes(), data) {
		return nil, backupDamaged(manifestFile, "it does not fit its own hash")
	}
	if len(m.Files) != len(backupFiles) {
		return nil, backupDamaged(manifestFile, "it does not list the files of a backup")
	}
	for i, f := range m.Files {
		if f.Name != backupFiles[i].Name {
			return nil, backupDamaged(manifestFile, "it does not list the files of a backup")
		}
		if f.Format != backupFiles[i].Format {
			return nil, fault.New("backup_version", f.Name, fmt.Sprintf("it has the format %.40q, this program reads %s", f.Format, backupFiles[i].Format)).
				WithHint("use the milepost that wrote it, or a newer one")
		}
	}
	return m, nil
}

// ReadManifest reads the manifest of a backup. Codes: backup_missing and
// those of ParseManifest.
func ReadManifest(dir string) (*Manifest, error) {
	path := filepath.Join(dir, manifestFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New("backup_missing", dir, "there is no backup in it").Because(err).
			WithHint("name a directory that `milepost node backup` wrote")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return ParseManifest(data)
}

// head checks the manifest's tree head as far as it can be without the tree.
func (m *Manifest) head() (*certs.Note, error) {
	c, note, err := verify.ParseCheckpoint([]byte(m.Checkpoint))
	if err == nil && (c.Origin != m.Origin || c.Size > m.TreeSize) {
		err = fmt.Errorf("it is of %s at size %d", c.Origin, c.Size)
	}
	if err != nil {
		return nil, backupDamaged(manifestFile, "its tree head does not fit").Because(err)
	}
	return note, nil
}

// hashedFile writes a new file, mode 0600, from a stream, synced, and returns
// its size and SHA-256. Code disk_full; io errors of the source as they are.
func hashedFile(path string, from io.Reader, wrap func(io.Writer) io.Writer) (size int64, sum string, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, "", fmt.Errorf("make %s: %w", path, store.WriteError(err))
	}
	var to io.Writer = f
	if wrap != nil {
		to = wrap(to)
	}
	h := sha256.New()
	size, err = io.Copy(io.MultiWriter(to, h), from)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return size, "", fmt.Errorf("write %s: %w", path, store.WriteError(err))
	}
	return size, hex.EncodeToString(h.Sum(nil)), nil
}

// staged is a directory under construction beside its final place, which
// must not exist or be empty: it appears there whole or not at all.
type staged struct {
	tmp, dir string
	placed   bool
}

// stage begins a directory. Codes: dir_not_empty, file, disk_full.
func stage(dir string) (*staged, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := mustBeEmpty(dir); err != nil {
		return nil, err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fault.New("file", parent, "the directory cannot be made").Because(err)
	}
	tmp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".partial-")
	if err != nil {
		return nil, fault.New("file", parent, "nothing can be written there").Because(store.WriteError(err))
	}
	return &staged{tmp: tmp, dir: dir}, nil
}

func mustBeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case os.IsNotExist(err):
		return nil
	case err != nil:
		return fault.New("file", dir, "it is no directory that can be read").Because(err)
	case len(entries) > 0:
		return fault.New("dir_not_empty", dir, "the directory holds something already, and is left as it is").
			WithHint("name a directory that does not exist yet")
	}
	return nil
}

// place puts the directory where it belongs, synced.
func (s *staged) place() error {
	if err := durable.SyncDir(s.tmp); err != nil {
		return err
	}
	if err := os.Remove(s.dir); err != nil && !os.IsNotExist(err) { // an empty one
		return fault.New("dir_not_empty", s.dir, "the directory holds something already, and is left as it is").Because(err)
	}
	if err := os.Rename(s.tmp, s.dir); err != nil {
		return fault.New("file", s.dir, "it cannot be put in place").Because(err)
	}
	s.placed = true
	return durable.SyncDir(filepath.Dir(s.dir))
}

// drop removes what was not placed.
func (s *staged) drop() {
	if !s.placed {
		os.RemoveAll(s.tmp)
	}
}
