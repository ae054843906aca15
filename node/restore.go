package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// RestoreOptions say which node begins with which backup.
type RestoreOptions struct {
	Cluster  *Cluster
	ID       string // of the node: one that has never run
	Backup   string // directory
	Policy   *verify.Policy
	Now      time.Time
	Progress func(doing string, done, total uint64) // may be nil

	wrap func(io.Writer) io.Writer // tests: a disk that fills up
}

// Restore begins a new node's data directory from any node's backup. The
// files are copied and held against the manifest; then the copy, not the
// backup, is checked (Check) and replayed (Audit), and only then put in place.
//
// What belongs to the other node stays behind: its vote, its memory of what
// it cosigned, and what its ledger held beyond what was applied. A node never
// comes back under its old id: since the backup it may have voted and
// cosigned, and nobody here can know. Codes: restore_same_node,
// restore_other_log, restore_wrong, backup_missing, backup_damaged,
// backup_version, dir_not_empty, disk_full.
func Restore(ctx context.Context, opt RestoreOptions) (*AuditReport, error) {
	if _, err := opt.Cluster.Node(opt.ID); err != nil {
		return nil, err
	}
	founding, err := ReadFounding(opt.Cluster.FoundingPath())
	if err != nil {
		return nil, err
	}
	m, err := ReadManifest(opt.Backup)
	if err != nil {
		return nil, err
	}
	if m.Origin != founding.Origin {
		return nil, fault.New("restore_other_log", opt.Backup, "the backup is of the log "+m.Origin).
			WithHint("the founding file here is of " + founding.Origin)
	}
	head, err := m.head()
	if err != nil {
		return nil, err
	}
	if err := mayBegin(opt.ID, m, head, founding); err != nil {
		return nil, err
	}
	s, err := stage(opt.Cluster.DataPath(opt.ID))
	if err != nil {
		return nil, err
	}
	defer s.drop()
	for _, f := range m.Files {
		if err := opt.copy(f, s.tmp); err != nil {
			return nil, err
		}
	}
	rep, err := opt.verify(ctx, s.tmp, m)
	if err != nil {
		return nil, err
	}
	if err := opt.disown(s.tmp, m); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return rep, s.place()
}

func sameNode(id, why string) error {
	return fault.New("restore_same_node", "node "+id, why).
		WithHint("a node that is lost comes back under a new id with new keys, which the governors register; to move one, stop it and move its data directory and keys: docs/operations.md")
}

// mayBegin refuses an id that may have voted or cosigned before, as far as
// the manifest and the founding tell.
func mayBegin(id string, m *Manifest, head *certs.Note, founding *Founding) error {
	if id == m.Node {
		return sameNode(id, "the backup is its own: since then it may have voted and cosigned, and would do so again, otherwise")
	}
	for _, g := range founding.Genesis.Body.Get("nodes").List {
		if g.Get("id").Str == id {
			return sameNode(id, "it is a node of the founding, and may have voted and cosigned")
		}
	}
	for _, sig := range head.Sigs {
		if sig.Name == record.NodeName(m.Origin, id) {
			return sameNode(id, "it has cosigned the backup's tree head: it has run before")
		}
	}
	return nil
}

func (opt *RestoreOptions) say(doing string, done, total uint64) {
	if opt.Progress != nil {
		opt.Progress(doing, done, total)
	}
}

// copy copies one file and holds what was written against the manifest.
func (opt *RestoreOptions) copy(f ManifestFile, to string) error {
	opt.say("copying "+f.Name, 0, 1)
	path := filepath.Join(opt.Backup, f.Name)
	in, err := os.Open(path)
	if err != nil {
		return backupDamaged(path, "it cannot be read").Because(errors.Unwrap(err))
	}
	defer in.Close()
	// One byte more than there should be is enough to see that it is too long.
	size, sum, err := hashedFile(filepath.Join(to, f.Name), io.LimitReader(in, f.Size+1), opt.wrap)
	if err != nil {
		return err
	}
	if size != f.Size || sum != f.SHA256 {
		return backupDamaged(path, "its bytes are not those that the manifest names")
	}
	return nil
}

// verify checks and replays the copy.
func (opt *RestoreOptions) verify(ctx context.Context, dir string, m *Manifest) (*AuditReport, error) {
	wrong := func(what string) error {
		return fault.New("restore_wrong", opt.Backup, what).
			WithHint("this backup is not what the log says, though it is what was written: take one of another node, and have this node looked into")
	}
	check, err := Check(ctx, dir, CheckOptions{Node: m.Node, Progress: func(done, total uint64) { opt.say("checking", done, total) }})
	if err != nil {
		return nil, err
	}
	if len(check.Damage) > 0 {
		return nil, wrong(check.Damage[0].String())
	}
	rep, err := Audit(ctx, dir, AuditOptions{
		Policy: opt.Policy, Checkpoint: []byte(m.Checkpoint), Now: opt.Now, Temp: filepath.Dir(dir),
		Progress: func(done, total uint64) { opt.say("replaying", done, total) },
	})
	if err != nil {
		return nil, err
	}
	switch {
	case len(rep.Wrong) > 0:
		return nil, wrong(strings.Join(rep.Wrong, "; "))
	case !rep.Quorum:
		return nil, wrong("its tree head is not cosigned by the quorum")
	case rep.Origin != m.Origin || rep.Size != m.TreeSize || rep.Root != m.Root:
		return nil, wrong(fmt.Sprintf("the ledger gives size %d and root %s, the manifest says %d and %s", rep.Size, rep.Root, m.TreeSize, m.Root))
	}
	return rep, nil
}

// disown takes away from the copy what was the other node's own.
func (opt *RestoreOptions) disown(dir string, m *Manifest) error {
	ledger, err := store.Open(filepath.Join(dir, ledgerFile), store.Config{})
	if err != nil {
		return err
	}
	err = opt.disownLedger(dir, ledger, m)
	if err := errors.Join(err, ledger.Close()); err != nil {
		return err
	}
	return newHeads(dir)
}

func (opt *RestoreOptions) disownLedger(dir string, ledger *store.Store, m *Manifest) error {
	tree, err := log.Open(filepath.Join(dir, treeFile), log.Config{ReadOnly: true, Ledger: ledgerNotes{ledger}})
	if err != nil {
		return err
	}
	defer tree.Close()
	if index, term := tree.Applied(); index != m.Applied || term != m.AppliedTerm {
		return backupDamaged(treeFile, fmt.Sprintf("it has taken entry %d of term %d, its manifest says %d of %d", index, term, m.Applied, m.AppliedTerm))
	}
	at, err := appliedState(tree)
	if err != nil {
		return err
	}
	for _, server := range at.Configuration.Servers {
		if string(server.ID) == opt.ID && server.Suffrage == raft.Voter {
			return sameNode(opt.ID, "it is a voter of the cluster already, and may have voted")
		}
	}
	st, err := openState(tree, m.Origin)
	if err != nil {
		return err
	}
	if g := st.auth.Governance; g != nil && g.Gone(opt.ID) {
		return fault.New("node_removed", "", "governance has removed this node").WithHint("ids are never used again: register a new one")
	}
	return ledger.Disown(m.Applied)
}

// newHeads puts a heads.db in place of the copied one that has what the
// cluster decided, the published head and the bridges, and nothing of what
// the other node cosigned.
func newHeads(dir string) (err error) {
	path := filepath.Join(dir, headsFile)
	if err := os.Rename(path, path+".from"); err != nil {
		return fmt.Errorf("set the other node's heads aside: %w", err)
	}
	from, err := bolt.Open(path+".from", 0o400, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("read the other node's heads: %w", err)
	}
	h, err := openHeads(dir)
	if err != nil {
		return errors.Join(err, from.Close())
	}
	err = h.db.Update(func(to *bolt.Tx) error {
		return from.View(func(tx *bolt.Tx) error {
			for _, name := range [][]byte{publishedBucket, bridgesBucket} {
				if err := tx.Bucket(name).ForEach(func(k, v []byte) error { return to.Bucket(name).Put(k, v) }); err != nil {
					return err
				}
			}
			return nil
		})
	})
	h.close()
	if err := errors.Join(err, from.Close()); err != nil {
		return fmt.Errorf("begin heads.db: %w", store.WriteError(err))
	}
	if err := os.Remove(path + ".from"); err != nil {
		return fmt.Errorf("drop the other node's heads: %w", err)
	}
	return nil
}
