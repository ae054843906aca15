package node

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// BackupOptions say whose data is backed up, and where to.
type BackupOptions struct {
	Cluster    *Cluster
	ID         string // of the node
	Dir        string // new or empty
	Passphrase func() ([]byte, error)
	Now        func() time.Time // nil is time.Now

	wrap func(io.Writer) io.Writer // tests: a disk that fills up
}

// Backup copies a node's data, consistent, with a manifest, and reads the
// whole copy (Check) before it is put in place. A node that runs is asked for
// it in its own name, with its own TLS key; the files of one that doesn't are
// read. Codes: data_dir, no_head, damaged, backup_busy, backup_damaged,
// dir_not_empty, disk_full, unreachable and those of key files.
func Backup(ctx context.Context, opt BackupOptions) (*Manifest, error) {
	if _, err := opt.Cluster.Node(opt.ID); err != nil {
		return nil, err
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	data := opt.Cluster.DataPath(opt.ID)
	if _, err := os.Stat(filepath.Join(data, ledgerFile)); err != nil {
		return nil, fault.New("data_dir", data, "there is no raft.db in it").WithHint("run the command where the node runs")
	}
	s, err := stage(opt.Dir)
	if err != nil {
		return nil, err
	}
	defer s.drop()
	release, err := store.Hold(filepath.Join(data, ledgerFile))
	running := fault.Code(err) == "data_in_use"
	if err != nil && !running {
		return nil, err
	}
	var m *Manifest
	take := func(r io.Reader) (err error) { m, err = opt.take(s.tmp, r); return err }
	if running {
		err = opt.ask(ctx, take)
	} else {
		err = opt.read(data, take)
		release()
	}
	if err != nil {
		return nil, err
	}
	rep, err := Check(ctx, s.tmp, CheckOptions{Node: opt.ID})
	if err != nil {
		return nil, err
	}
	if len(rep.Damage) > 0 {
		return nil, rep.Damage[0].fault()
	}
	if rep.Origin != m.Origin || rep.Size != m.TreeSize || rep.Root != m.Root {
		return nil, backupDamaged(treeFile, fmt.Sprintf("it has size %d and root %s, its manifest says %d and %s", rep.Size, rep.Root, m.TreeSize, m.Root))
	}
	return m, s.place()
}

// ask has the running node stream a backup.
func (opt *BackupOptions) ask(ctx context.Context, take func(io.Reader) error) (err error) {
	entry, err := opt.Cluster.Node(opt.ID)
	if err != nil {
		return err
	}
	holder := "node/" + opt.ID
	for i, path := range []string{opt.Cluster.KeyPath(holder, keyfile.UseTLS), opt.Cluster.NextKeyPath(holder, keyfile.UseTLS)} {
		k, kerr := keyfile.ReadKeyFile(path, opt.Passphrase)
		if i == 1 && errors.Is(kerr, fs.ErrNotExist) {
			return err
		}
		if kerr != nil {
			return kerr
		}
		identity, kerr := k.TLS()
		if kerr != nil {
			return kerr
		}
		// Both ends of the connection are this node.
		c := NewClient(entry.Address, identity.Pin(), identity, nil)
		err = c.stream(ctx, "/v1/backup", take)
		c.Close()
		if code := fault.Code(err); code != "wrong_server_key" {
			return err
		}
	}
	return err
}

// read streams the files of a node that is stopped, through the same code.
func (opt *BackupOptions) read(data string, take func(io.Reader) error) error {
	b, err := openBackup(data, opt.ID)
	if err != nil {
		return err
	}
	defer b.release()
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); w.CloseWithError(b.write(w, opt.Now())) }()
	err = take(r)
	r.CloseWithError(errors.New("the copy has ended"))
	<-done
	return err
}

// take writes a streamed backup into a directory and holds it against its
// manifest, which comes last: a stream that broke off has none.
func (opt *BackupOptions) take(dir string, r io.Reader) (*Manifest, error) {
	t := tar.NewReader(r)
	next := func(name string) error {
		h, err := t.Next()
		if err == nil && h.Name != name {
			err = fmt.Errorf("%.40q comes where %s should", h.Name, name)
		}
		if err != nil {
			return fault.New("unexpected", name, "the stream of the backup broke off").Because(err).WithHint("take the backup again")
		}
		return nil
	}
	var got []ManifestFile
	for _, f := range backupFiles {
		if err := next(f.Name); err != nil {
			return nil, err
		}
		size, sum, err := hashedFile(filepath.Join(dir, f.Name), t, opt.wrap)
		if err != nil {
			return nil, err
		}
		f.Size, f.SHA256 = size, sum
		got = append(got, f)
	}
	if err := next(manifestFile); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(t, maxManifest))
	if err != nil {
		return nil, fault.New("unexpected", manifestFile, "the stream of the backup broke off").Because(err)
	}
	m, err := ParseManifest(data)
	if err != nil {
		return nil, err
	}
	for i, f := range got {
		if m.Files[i] != f {
			return nil, backupDamaged(f.Name, "it is not what its manifest says")
		}
	}
	if m.Node != opt.ID {
		return nil, backupDamaged(manifestFile, "it is of node "+m.Node)
	}
	if err := writeSynced(filepath.Join(dir, manifestFile), data); err != nil {
		return nil, fmt.Errorf("write %s: %w", manifestFile, store.WriteError(err))
	}
	return m, nil
}

// backup is a node's data as of one moment.
type backup struct {
	node, origin string
	checkpoint   []byte
	heads        *bolt.Tx
	tree         *log.View
	ledger       *store.Snapshot
	ends         []func()
}

func (b *backup) release() {
	for i := len(b.ends) - 1; i >= 0; i-- {
		b.ends[i]()
	}
}

// liveBackup begins a backup of this running node. The order makes it
// consistent without stopping anything: a head is cosigned only after the
// tree has reached it, and the tree takes only what the ledger holds. So the
// head comes first, then heads.db, then the tree, then the ledger, and each is
// covered by the next.
func (n *Node) liveBackup() (*backup, error) {
	if err := n.damage.err(); err != nil {
		return nil, err
	}
	b := &backup{node: n.id, origin: n.origin}
	if err := n.withHead(func(h *head) error { b.checkpoint = h.note; return nil }); err != nil {
		return nil, err
	}
	return b, b.begin(n.heads.db, n.tree, n.ledger)
}

// begin takes the three moments. The caller releases the backup, also after
// an error.
func (b *backup) begin(heads *bolt.DB, tree *log.Log, ledger *store.Store) (err error) {
	if b.heads, err = heads.Begin(false); err != nil {
		return fmt.Errorf("read heads.db: %w", err)
	}
	b.ends = append(b.ends, func() { b.heads.Rollback() })
	if b.tree = tree.View(); b.tree == nil {
		return fault.New("no_head", "", "the tree is empty")
	}
	b.ends = append(b.ends, b.tree.Release)
	if b.ledger, err = ledger.Snapshot(); err != nil {
		return err
	}
	b.ends = append(b.ends, b.ledger.Release)
	return nil
}

// openBackup begins a backup of a data directory that no node is using.
func openBackup(dir, id string) (b *backup, err error) {
	b = &backup{node: id}
	defer func() {
		if err != nil {
			b.release()
		}
	}()
	ledger, err := store.Open(filepath.Join(dir, ledgerFile), store.Config{ReadOnly: true})
	if err != nil {
		return b, err
	}
	b.ends = append(b.ends, func() { ledger.Close() })
	tree, err := log.Open(filepath.Join(dir, treeFile), log.Config{ReadOnly: true, Ledger: ledgerNotes{ledger}})
	if err != nil {
		return b, err
	}
	b.ends = append(b.ends, func() { tree.Close() })
	b.origin = tree.Origin()
	heads, err := bolt.Open(filepath.Join(dir, headsFile), 0o400, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return b, fmt.Errorf("open heads.db: %w", err)
	}
	b.ends = append(b.ends, func() { heads.Close() })
	b.checkpoint = savedHead(heads)
	if len(b.checkpoint) == 0 {
		return b, fault.New("no_head", dir, "the node has never known a tree head with a quorum").WithHint("there is nothing to back up yet")
	}
	return b, b.begin(heads, tree, ledger)
}

// savedHead is the published head that heads.db keeps over a restart, or nil.
func savedHead(db *bolt.DB) (note []byte) {
	log.Guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			if b := tx.Bucket(publishedBucket); b != nil {
				note = append(note, b.Get([]byte("newest"))...)
			}
			return nil
		})
	})
	return note
}

// write streams the backup as a tar file, the manifest last.
func (b *backup) write(w io.Writer, now time.Time) error {
	applied, term, err := b.tree.Applied()
	if err != nil {
		return err
	}
	m := &Manifest{
		Format: manifestFormat, Version: Version, Origin: b.origin, Node: b.node, Made: record.FormatUTC(now),
		TreeSize: b.tree.Size, Root: verify.Hex(b.tree.Root), Applied: applied, AppliedTerm: term, LedgerLast: b.ledger.Last, Checkpoint: string(b.checkpoint),
	}
	if _, err := m.head(); err != nil {
		return err
	}
	t := tar.NewWriter(w)
	for i, from := range []struct {
		size    int64
		writeTo func(io.Writer) (int64, error)
	}{
		{b.heads.Size(), b.heads.WriteTo}, {b.tree.FileSize(), b.tree.WriteTo}, {b.ledger.Size(), b.ledger.WriteTo},
	} {
		f := backupFiles[i]
		if err := t.WriteHeader(&tar.Header{Name: f.Name, Mode: 0o600, Size: from.size, ModTime: now}); err != nil {
			return fmt.Errorf("write the backup: %w", err)
		}
		h := sha256.New()
		if _, err := from.writeTo(io.MultiWriter(t, h)); err != nil {
			return fmt.Errorf("write the backup of %s: %w", f.Name, err)
		}
		f.Size, f.SHA256 = from.size, hex.EncodeToString(h.Sum(nil))
		m.Files = append(m.Files, f)
	}
	data := m.bytes()
	if err := t.WriteHeader(&tar.Header{Name: manifestFile, Mode: 0o600, Size: int64(len(data)), ModTime: now}); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if _, err := t.Write(data); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return t.Close()
}
